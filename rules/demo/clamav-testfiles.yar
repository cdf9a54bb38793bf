/* The program of Debian's clamav-testfiles: 544 bytes that show a message box.  Packed, encrypted or
 * compressed copies are not seen: no container is opened here. */
rule ClamAV_Test_Program
{
    meta:
        description = "code or import table of the ClamAV test program, in any place; harmless"
    strings:
        /* the loop that decodes its message: mov ebx; xor eax,eax; ... xor [esi],ah; lodsb; jns */
        $loop = { BB ?? 10 40 00 33 C0 50 50 8B F3 53 53 50 B0 29 40 30 04 66 AC 79 F9 }
        $imports = "KERNEL32.DLL\x00\x00ExitProcess\x00USER32.DLL\x00CLAMessageBoxA"
    condition:
        any of them
}

rule ClamAV_Test_Program_Base64
{
    meta:
        description = "the same import table in base64, as mail carries it; harmless"
    strings:
        $imports = "CLAMessageBoxA" base64
        $exit = "ExitProcess" base64
    condition:
        all of them
}

rule ClamAV_Test_Program_Hex
{
    meta:
        description = "the same import in hexadecimal text, as RTF carries objects; harmless"
    strings:
        $rtf = "{\\rtf"
        $imports = "434c414d4d657373616765426f7841" nocase
    condition:
        $rtf at 0 and $imports
}

rule ClamAV_Test_Container
{
    meta:
        description = "a container with a member called clam.exe; harmless"
    strings:
        $name = "clam.exe" nocase
        $wide = "clam.exe" wide nocase
        $uu = "begin 644 clam.exe"
        $shield = "InstallShield" wide ascii
    condition:
        $uu or
        (($name or $wide) and
         (uint32be(0) == 0x504B0304 or                                /* zip */
          uint32be(0) == 0x377ABCAF or                                /* 7z */
          uint32be(0) == 0x4D534346 or                                /* cab */
          uint16be(0) == 0x60EA or                                    /* arj */
          uint32be(0) == 0x30373037 or                                /* cpio, new and old text */
          uint16be(0) == 0x71C7 or uint16be(0) == 0xC771 or           /* cpio, binary */
          uint32be(0) == 0x49545346 or                                /* chm */
          uint32be(0) == 0xD0CF11E0 or                                /* OLE */
          uint32be(8) == 0x19040010 or                                /* SIS */
          (uint16be(0) == 0x4D5A and $shield)))                       /* an installer */
}

rule ClamAV_Test_Packed
{
    meta:
        description = "the signature the ClamAV test program keeps in its first section when packed; harmless"
    strings:
        $mark = "[CLAMAV]"
        $section = "aCaB"
    condition:
        uint16(0) == 0x5A4D and filesize < 64KB and any of them
}
