/* vectors_pubkey.h - keys and signatures made once by openssl 3.0, over "signed by somebody else":
 *   openssl ecparam -name prime256v1 -genkey | openssl genrsa 2048, 1024
 *   openssl dgst -sha256 -sign KEY [-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:N
 *     -sigopt rsa_mgf1_md:sha1] message | xxd -p */
#ifndef TESTS_CRYPTO_VECTORS_PUBKEY_H
#define TESTS_CRYPTO_VECTORS_PUBKEY_H

#define MESSAGE "signed by somebody else"
#define PEM_P256                                                                                   \
    "-----BEGIN PUBLIC KEY-----\n"                                                                 \
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEXyhoL1e5jfNHTJ3Q0kDs90XptSFI\n"                           \
    "R4ihJIwf1Df+giD/ejW/fCgNEQHDKH2g85piPjSYjF6LQsqq9P9dXEZpDw==\n"                               \
    "-----END PUBLIC KEY-----\n"
#define PEM_P384                                                                                   \
    "-----BEGIN PUBLIC KEY-----\n"                                                                 \
    "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEzgiyFdVyZJB3/2/WTVTrOG1uhJbcXK5m\n"                           \
    "eehAyJdERvJRlO5id/9d4flVNti7Ri3kTFOADhcGMaZaycI1xgpOMpkK3jpe0gmF\n"                           \
    "D/EO2qEYIslL2AN8sCeeAywA6wtAtMYU\n"                                                           \
    "-----END PUBLIC KEY-----\n"
#define PEM_RSA                                                                                    \
    "-----BEGIN PUBLIC KEY-----\n"                                                                 \
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAttmvKIEmWL0l4wmOZl9z\n"                           \
    "WRwPfyHwtcwDZyNOFSHiSuCzQ8Jqe3YfcRmaCMXTf+AyqupYFhKTS+9dZM6bL9Ch\n"                           \
    "uao4YIRBrkRHc1/SM700DIK72glB0mzQr4TGv9Af7o/TXxbR+qU3BPow4d70q88F\n"                           \
    "SRLCk5K/29Zch+NZYnnS3OUrCo40E5oR0rynmQGRlXCUBQxrlim/3NAXmPsIdZtc\n"                           \
    "fF17jmUVXAomd++mCRRmn43cHAmmYLOCGjoQu8qeVNACOM4biMlRIQsCu//I445s\n"                           \
    "1fhXKAnNejB+nBBFJeF6XW8qoY27WnUrwpIBN2r8CdUZRgPB7kdsGYJDj/x4D3GR\n"                           \
    "8QIDAQAB\n"                                                                                   \
    "-----END PUBLIC KEY-----\n"
#define PEM_RSA1024                                                                                \
    "-----BEGIN PUBLIC KEY-----\n"                                                                 \
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDJ/F943+0v/Y8Xdowr+3B4UX1K\n"                           \
    "fiKNL0dUEZTAaJ/RITG8E0QsffViz9hGWyzXui4WgMqPQ5KKUUPpzkUKqnOv4MSV\n"                           \
    "o987uDv7GZ9VAjgc9KqwJHPgopKgUl9IorPzcAP6tE69BKOREXnnUKb854BSL56q\n"                           \
    "HEfirRG/h1yIv+PJFwIDAQAB\n"                                                                   \
    "-----END PUBLIC KEY-----\n"
#define PEM_ED                                                                                     \
    "-----BEGIN PUBLIC KEY-----\n"                                                                 \
    "MCowBQYDK2VwAyEAUwN8IstXUajvM/eKCxYgQFTmvhco7PL2/tVRgiXSwN8=\n"                               \
    "-----END PUBLIC KEY-----\n"
/* openssl genpkey -algorithm RSA-PSS: the same numbers under another name (id-RSASSA-PSS) */
#define PEM_RSAPSS                                                                                 \
    "-----BEGIN PUBLIC KEY-----\n"                                                                 \
    "MIIBIDALBgkqhkiG9w0BAQoDggEPADCCAQoCggEBAKAt5xL+oAF4lY7A+1djdnqY\n"                           \
    "YfNkBhUjbxh/1BHObefWF3105v6aiMHvj8PLry568onUUr1mJyGtuGcUNeC8XGOA\n"                           \
    "MTH0wpc+WPpNu47/Mfo0zTQbWkXcB3LAKs1guBvZG4d4ACoaJ1Z7hZKX3g0ggySb\n"                           \
    "QXI/wYFVRAMivwcnb6MPA3zKjKo4rmFpRILQTnl+HZAXnpopI3OWISPAJQSvF4/U\n"                           \
    "ICEaG6t9g4eq9IkywE4uZARDHyWJH2jNc+jYwB/UwnsPpgxkTf30z/oGzA3ZCbuX\n"                           \
    "fbAXQ4R7dRsmXM68PQKTsnI/t03bbMWJ1DahGQA12pwiDXGZvOVfB8bRpuf6U8cC\n"                           \
    "AwEAAQ==\n"                                                                                   \
    "-----END PUBLIC KEY-----\n"
#define SIG_P256                                                                                   \
    "3045022100adfe49008bdda173ffb86de8da87939b2c198e4a2ef67dcd6bdba32d47b5adab02203473196cda"     \
    "96f4d3de5f8d95e9b06880b9ff78e382520ede613d1a0e121c4c2c"
#define SIG_P256S384                                                                               \
    "3045022031795636ba55028f9d94f338e674d83dad65e3b3ce0a3d7ba7b2f7a1eb4aa413022100abfe4b59ec"     \
    "cc2c69b7812b57b54985a767a3dc831e58a414bbab35610d6a6ea6"
#define SIG_RSA32                                                                                  \
    "3d8b8e4c7fb1d23e1da03f938e741236b5c157fb472cba3175caf927f00f818821829b4304c6697a61a11072"     \
    "c203a3a97139c736bf49b1b0d45d9134c6c9dd9e83e4f507297756a3af7506b57eb569b1e304094fa85f18e9"     \
    "314bd0e12a3a13af20b9ba08efa5720b11b9efe6e187184dc997883ec91d4a1b0cc42e0e0d698b609f944f11"     \
    "f67b6f410453c914bfa4569b803f5892601e78a3d9c6d0640f7ec98cc9a838a6e8f9e86c3d1a51427a0b8e4a"     \
    "fad158127c2f7cdd5e6d2410b54c4cae14df7f6107753f81059a4b1da3312dc93225c3d2ae4f818fa979f7b3"     \
    "d5efb6c4578d40a3664e53e47ddff52ac81bc44115b0e13b0fe1ca94ab598321bb140eb4"
#define SIG_RSA20                                                                                  \
    "681b10783a2fa82c6d99c2ddaf09ac1b3e9699e6b7811306249bc87cc274441b6ff7cd4cf5ec20cac646b004"     \
    "2af3a7ab28e70bd985e011eafa740c0066d76439aa2e9db410f4f1f88417196bdea2ac2a7e9369244885065c"     \
    "e0cdf49e373fd4147a34db4fc01c8b2b0a303d655d7cd9fa22bd75ae2df68f37bfa3075e9bf2878ee1fff02f"     \
    "d2b8fe7449d6dcd9fc64aa40b99220b8317800b930e7cde888898027ceb37d2efba7d50a742b2cbc3f1effae"     \
    "fcd777c3852300e6c5f68c98c6733a5c346e45bbfc0989bd42583301c59124e3a4f903ccd9e8c5f5a0da3dc7"     \
    "8f299c4a613b376335ce6f4c668a2ffcad2f0c22e3112c5f9ef114b2de9d08d2cfc3e595"
#define SIG_RSAMAX                                                                                 \
    "167d2c6c51268284dae0df39d06d747fdfd7ab679230aa9d4061374f4db6ff60dc55d83799186c613fed78ac"     \
    "f1701ee426397ef4110a10e8e1eb7825213c93ea9ac04b6026b8958bf2e6f1725907b619290fc03f2dfeb4b9"     \
    "b5518d5b93af83bbfed055d22cadf220e25de32151a879e4b6e3744983dea5f54e47c9c29c35ab0593d69e24"     \
    "4b13eb525dcada4d7b6bf4717a9d4780358c7258a41eb1ea6df08803cc11f41d2dba625f66ea9c18e60a11a5"     \
    "8ae98cf3b52b79edccd96c987e6e695ba8986d1e4ce1b8c596cfd394176b29511bbb2ad6c6a5a3a0893aaabf"     \
    "0e25d56cc8ae5ce73dfebafa2de9cc0b120af84e7cbed4e4178ea9f96d50f6484442411f"
#define SIG_RSA222                                                                                 \
    "04f7838ee20d81ba185a508be957b2a71643ecc729ad2fd862137c3f1a3ade7dda26b2c15e15472ca3912bc6"     \
    "03bda13eec4313b49fe5d3bacf4c430174a108eac91d4b7f70d589436716dded5e80b54d95fd6a9d4157d239"     \
    "a4aa67c199bba9ce30b644b7ffa093c34347ffee4c4595db010b355e10f004ee9218c3de219f592a9083ed5e"     \
    "a3a99894bfc87754560b431914efc85fabb60d9608b643d9f18deee09df9d34c996bc70538a5d8631d6dcb78"     \
    "f91dfc67e06fcf57bc31a67673d8653534120ca282ecd10884097a0a69b8bf5ab41149de69acb3be93b6a37b"     \
    "50856504c79bbe3b130934722e8e94ccecafc03dac2eca003f1e4faff3f9dfd09ebffaca"
#define SIG_RSA0                                                                                   \
    "2b8f7f2a65e5697ace05e08ccb0e59806a561dd8f6b4372e402b04fb09ee864447f999e10c5eba744b6b8399"     \
    "a8e6137cfa54941cb712be36a52c387dfaa53c1c6ca9343dbf462015ef1e5447bf6cc105bbeb8ca89fe1851d"     \
    "690f797edf394ae8d217199b8c0534416ca368dce29249dc53f282073ec93644d69ac4a7ec9c32ac650a63cd"     \
    "bad030c3ff46fbd5c1f8dc60808cf2788af1b2e2fcc9c5e66d7548d88b3d92140a7cf103c02cd7ea041b328c"     \
    "5d0036215482da22b5c9a7ce81ef813e8547c3395705ed063d3210aaec0c20905a8edb57edbf808138391074"     \
    "e7e115cb73e59323167290dc92e97ff9fc8ab6ffceeae7810e224bd584f479368cb061c5"
#define SIG_RSAV15                                                                                 \
    "9028e8a12322fd72bd28004bb8aaa89ca925168295a05671cd24deb2090a2af8405ce539ec7baa32d14fa8ac"     \
    "63a8aed46af479488d92a492fe0edf6e58579d5490d1a4b97086dc230b608f5988d754e11047a122de5ef743"     \
    "4f299b06b73e297f72efeae9473684201b4c02d6dfd2c094a2211658c3f7c311646d82aef5e4c229e34ea4ba"     \
    "20839a3fc4f876899718f1d211d381909c35478376de927281272f2e8141d4310ca680d513f6b7297c778047"     \
    "d67683dabd146e8848d030d05921616403da2063b69b177262cecf2e03c7f45e1d4645e9b50c3e38e601a64c"     \
    "0841f6a65af2022da03c3c1d83667d97284918ed34788de514130c01876c5761223b9693"
#define SIG_RSAS512                                                                                \
    "1a278a163ae91871aaf57b3100c7c0c902ce3d5c8bbb0d4015f39c4791ced26344c9b18ea0b14ee95ad7f2f5"     \
    "592a6f27d78207e39c1fcc82ee17f86309c2a8303bdf5abcb37344a00317251704e71104318ec1db6a7e68be"     \
    "f32e6c7b9cbdb49f3cd44e84abf54faf094554e4368646061561c3fa7575fd9baf7743241b9f4185132b4d43"     \
    "99f1bcf13d3b651ba6353217d3e02fa47a166a3869d476a41da3f5004267fa918e4686a87f75a67a2b3e5519"     \
    "da1abd4b1039fe0d97e1cdd62cdbfb886cf980cf05bd97c29f2053bde46a16c8a710b5643f992c5d4c9e15bb"     \
    "ee8e8ddf780dc1e83d0d20f76b08e748b08de55f83236964899624cc5542f2fb7ccf4eac"
#define SIG_RSAMGF1                                                                                \
    "6ac698a3fca4034c00ea70882c45b9dcffd119c16523305a09ac5f495c62aacdb7681b1df77418f7e4fde9fd"     \
    "a97a11ab152390e3cac10e0fa0a12499c69a68b8920987180d1a38ea8b09a22dc241d1c6bff778207865219d"     \
    "b01468cc71aa3b9c5e6c8379578e92520cdb1a76657945b463eccbdbdd87d3dac89949b186e576c87755bc34"     \
    "33455bdf410cf1a944c2aa6ff86ee82448b71b1403ce72cbe94b2af57d9b8ce8321f36d93b133b466acd300e"     \
    "54a39390e6dc0cc13c53f4c071c024a744b41021d6f85e1f68d019b768c70a6fd0818d217c48ecec83b3ebc3"     \
    "71c8db3f469cd0d3e6c1d3636b00c23c3abd7bc4cefe38d66f0d5516e0187969a95f225d"
#endif
