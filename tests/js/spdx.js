// spdx.js - what SPDX 2.3 (ISO/IEC 5962's successor; the numbers are its clauses) asks of the documents that we write,
// as a JSON Schema. The schema that the SPDX group publishes is in no package that the tests could install; whoever
// has it names the file in SPDX_SCHEMA, and it is used beside this one (built.js).
"use strict";

const text = { type: "string", minLength: 1, pattern: "^[^\\n\\r]+$" };
// 6.9, 7.27: "YYYY-MM-DDThh:mm:ssZ"
const time = { type: "string", pattern: "^\\d{4}-[01]\\d-[0-3]\\dT[0-2]\\d:[0-5]\\d:[0-5]\\dZ$" };
// 7.2: letters, numbers, "." and "-"
const id = { type: "string", pattern: "^SPDXRef-[A-Za-z0-9.-]+$" };
const object = (required, optional) => ({
  type: "object",
  additionalProperties: false,
  required: Object.keys(required),
  properties: { ...required, ...optional },
});
const list = (items, least = 0) => ({ type: "array", minItems: least, items });

// 7.10; of the algorithms there we write one
const checksum = object({
  algorithm: { const: "SHA256" },
  checksumValue: { type: "string", pattern: "^[0-9a-f]{64}$" },
});
// 7.21 and annex F: a purl has no spaces
const external = object({
  referenceCategory: { const: "PACKAGE-MANAGER" },
  referenceType: { const: "purl" },
  referenceLocator: { type: "string", pattern: "^pkg:[a-z]+/[^ ]+$" },
});
const somewhere = { type: "string", pattern: "^(NONE|NOASSERTION|[a-z][a-z0-9+.-]*:.+)$" };
const pkg = object(
  { SPDXID: id, name: text, downloadLocation: somewhere }, // 7.1, 7.2, 7.7
  {
    versionInfo: text, // 7.3
    packageFileName: text, // 7.4
    filesAnalyzed: { const: false }, // 7.8: else 7.9 asks for more
    checksums: list(checksum, 1),
    externalRefs: list(external, 1),
    primaryPackagePurpose: {
      // 7.24
      enum: [
        "APPLICATION", "FRAMEWORK", "LIBRARY", "CONTAINER", "OPERATING_SYSTEM", "DEVICE", "FIRMWARE", "SOURCE",
        "ARCHIVE", "FILE", "INSTALL", "OTHER",
      ],
    },
    validUntilDate: time, // 7.27
  },
);
// 11.1; those that we write
const relationship = object({
  spdxElementId: id,
  relationshipType: { enum: ["DESCRIBES", "CONTAINS", "GENERATED_FROM", "BUILD_TOOL_OF"] },
  relatedSpdxElement: id,
});

exports.schema = {
  $schema: "http://json-schema.org/draft-07/schema#",
  ...object({
    spdxVersion: { const: "SPDX-2.3" }, // 6.1
    dataLicense: { const: "CC0-1.0" }, // 6.2
    SPDXID: { const: "SPDXRef-DOCUMENT" }, // 6.3
    name: text, // 6.4
    documentNamespace: { type: "string", format: "uri", pattern: "^[^#]+$" }, // 6.5
    creationInfo: object({
      created: time, // 6.9
      creators: list({ type: "string", pattern: "^(Person|Organization|Tool): .+$" }, 1), // 6.8
    }),
    packages: list(pkg, 1),
    relationships: list(relationship, 1),
  }),
};

// What no schema can say: every element is there once, and what is related is there.
exports.dangling = (document) => {
  const ids = [document.SPDXID, ...document.packages.map((p) => p.SPDXID)];
  const known = new Set(ids);
  const lost = document.relationships.flatMap((r) => [r.spdxElementId, r.relatedSpdxElement]).filter((x) => !known.has(x));
  return known.size !== ids.length ? "an identifier stands for two elements" : lost.length > 0 ? `no element ${lost[0]}` : null;
};
