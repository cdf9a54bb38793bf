// built.js FOLDER KEY OTHER-KEY: what a build says of itself, read by programs that are not ours: the bills of
// material against their schemas, the envelope by @sigstore/verify; and that each altered one is refused. FOLDER is
// make_statements.c's, or that of a build; keys are public ones, PEM. SPDX_SCHEMA may name the schema that the SPDX
// group publishes. Exit 0: so; 1: not so. `npm ci` has put the packages where NODE_PATH points.
"use strict";
const crypto = require("node:crypto");
const fs = require("node:fs");
const path = require("node:path");
const Ajv = require("ajv").default;
const addFormats = require("ajv-formats").default;
const { Spec, Validation } = require("@cyclonedx/cyclonedx-library");
const { bundleFromJSON } = require("@sigstore/bundle");
const { toSignedEntity, toTrustMaterial, Verifier } = require("@sigstore/verify");
const spdx = require("./spdx.js");

const [folder, keyFile, otherFile] = process.argv.slice(2);
const read = (name) => fs.readFileSync(path.join(folder, name), "utf8");
let wrong = 0;

function say(ok, what, why) {
  wrong += ok ? 0 : 1;
  console.log(`${ok ? "held" : "FAILED"}: ${what}${ok || !why ? "" : `: ${why}`}`);
}

// A document as it is, and each of its alterations; check gives null or what is wrong.
async function tryAll(what, text, check, alterations) {
  const why = await check(JSON.parse(text));
  say(why === null, `${what} is valid`, why);
  for (const [how, alter] of Object.entries(alterations)) {
    const document = JSON.parse(text);
    alter(document);
    say(JSON.stringify(document) !== JSON.stringify(JSON.parse(text)), `${what}, ${how}: is another`);
    say((await check(document)) !== null, `${what}, ${how}: is refused`);
  }
}

function schemaCheck(schema) {
  const ajv = new Ajv({ strict: false, allErrors: true });
  addFormats(ajv);
  const validate = ajv.compile(schema);
  return (document) => (validate(document) ? null : ajv.errorsText(validate.errors));
}

const ofSpdx = {
  "without a name": (d) => delete d.name,
  "without who made it": (d) => delete d.creationInfo,
  "without anybody who made it": (d) => (d.creationInfo.creators = []),
  "a member nobody knows": (d) => (d.packages[0].endOfLife = "2030-01-01T00:00:00Z"),
  "a package without a place": (d) => delete d.packages[0].downloadLocation,
  "a hash spelled otherwise": (d) => (d.packages.find((p) => p.checksums).checksums[0].algorithm = "SHA-256"),
  "a sum without its algorithm": (d) => delete d.packages.find((p) => p.checksums).checksums[0].algorithm,
  "a reference of no category": (d) => delete d.packages.find((p) => p.externalRefs).externalRefs[0].referenceCategory,
  "a purpose nobody knows": (d) => (d.packages[0].primaryPackagePurpose = "BUILD"),
  "a relation nobody knows": (d) => (d.relationships[0].relationshipType = "MADE_BY"),
  "a relation to nothing": (d) => delete d.relationships[0].relatedSpdxElement,
  "a date that is a number": (d) => (d.creationInfo.created = 1704067200),
  "packages that are one": (d) => (d.packages = d.packages[0]),
};
const ofSpdxByRules = {
  ...ofSpdx,
  "of no version": (d) => (d.spdxVersion = "SPDX-2"),
  "a date of another form": (d) => (d.creationInfo.created = "2024-01-01"),
  "an end of support of another form": (d) => (d.packages[0].validUntilDate = "2030-01-01"),
  "a namespace with a fragment": (d) => (d.documentNamespace += "#x"),
  "an identifier with a blank": (d) => (d.packages[0].SPDXID = "SPDXRef-a b"),
  "one identifier for two": (d) => (d.packages[1].SPDXID = d.packages[0].SPDXID),
  "related to what is not there": (d) => (d.relationships[0].relatedSpdxElement = "SPDXRef-None"),
};
const ofCycloneDx = {
  "of no format": (d) => delete d.bomFormat,
  "of no edition": (d) => (d.version = 0),
  "a member nobody knows": (d) => (d.components[0].endOfLife = "2030-01-01"),
  "a component without a name": (d) => delete d.components[0].name,
  "a component of no sort": (d) => (d.components[0].type = "output"),
  "a scope nobody knows": (d) => (d.components[d.components.length - 1].scope = "build"),
  "a hash spelled otherwise": (d) => (d.components[0].hashes[0].alg = "SHA256"),
  "a hash cut short": (d) => (d.components[0].hashes[0].content = d.components[0].hashes[0].content.slice(1)),
  "a time of another form": (d) => (d.metadata.timestamp = "1 January 2024"),
  "a component twice": (d) => d.components.push(d.components[0]),
  "a dependency of nothing": (d) => delete d.dependencies[0].ref,
};

async function bills() {
  const rules = schemaCheck(spdx.schema);
  await tryAll("SPDX by its clauses", read("sbom.spdx.json"), (d) => rules(d) ?? spdx.dangling(d), ofSpdxByRules);
  if (process.env.SPDX_SCHEMA) {
    const published = schemaCheck(JSON.parse(fs.readFileSync(process.env.SPDX_SCHEMA, "utf8")));
    await tryAll("SPDX by the published schema", read("sbom.spdx.json"), published, ofSpdx);
  }
  const cyclonedx = new Validation.JsonStrictValidator(Spec.Version.v1dot5);
  const check = async (d) => {
    const fault = await cyclonedx.validate(JSON.stringify(d));
    return fault === null ? null : JSON.stringify(fault);
  };
  await tryAll("CycloneDX", read("sbom.cdx.json"), check, ofCycloneDx);
}

// The statement as its specification has it (in-toto Statement v1, SLSA provenance v1): what a reader relies on.
const digests = { type: "object", minProperties: 1, additionalProperties: { type: "string", pattern: "^[0-9a-f]{40,64}$" } };
const named = (more = {}) => ({
  type: "object",
  additionalProperties: false,
  required: ["name"],
  properties: {
    name: { type: "string", minLength: 1 },
    uri: { type: "string", format: "uri" },
    digest: digests,
    annotations: { type: "object" },
  },
  ...more,
});
const closed = (properties, required = Object.keys(properties)) => ({
  type: "object",
  additionalProperties: false,
  required,
  properties,
});
const statement = closed({
  _type: { const: "https://in-toto.io/Statement/v1" },
  subject: { type: "array", minItems: 1, items: named({ required: ["name", "digest"] }) },
  predicateType: { const: "https://slsa.dev/provenance/v1" },
  predicate: closed({
    buildDefinition: closed({
      buildType: { type: "string", format: "uri" },
      externalParameters: { type: "object" },
      internalParameters: { type: "object" },
      resolvedDependencies: { type: "array", items: named({ anyOf: [{ required: ["digest"] }, { required: ["uri"] }] }) },
    }),
    runDetails: closed(
      {
        builder: closed({ id: { type: "string", format: "uri" } }),
        metadata: closed({
          startedOn: { type: "string", format: "date-time" },
          finishedOn: { type: "string", format: "date-time" },
        }),
        byproducts: { type: "array", items: named() },
      },
      ["builder", "metadata"],
    ),
  }),
});
const ofStatement = {
  "of another version": (d) => (d._type = "https://in-toto.io/Statement/v0.1"),
  "of nothing": (d) => (d.subject = []),
  "a subject without a digest": (d) => delete d.subject[0].digest,
  "of another predicate": (d) => (d.predicateType = "https://slsa.dev/provenance/v0.2"),
  "a builder without a name": (d) => delete d.predicate.runDetails.builder.id,
  "built by no type": (d) => delete d.predicate.buildDefinition.buildType,
  "a dependency that is nowhere": (d) => delete d.predicate.buildDefinition.resolvedDependencies[0].digest,
  "begun at no time": (d) => (d.predicate.runDetails.metadata.startedOn = "yesterday"),
};

// A bundle (v0.3) around our envelope: no certificate, no log, a key that the verifier knows by its hint.
function verify(envelope, keys) {
  const bundle = {
    mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
    verificationMaterial: { publicKey: { hint: envelope.signatures[0]?.keyid ?? "none" } },
    dsseEnvelope: envelope,
  };
  const known = {};
  for (const [hint, file] of Object.entries(keys))
    known[hint] = { rawBytes: crypto.createPublicKey(fs.readFileSync(file)).export({ type: "spki", format: "der" }) };
  const none = { certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [] };
  const verifier = new Verifier(toTrustMaterial(none, known), { tlogThreshold: 0, ctlogThreshold: 0, tsaThreshold: 0 });
  try {
    verifier.verify(toSignedEntity(bundleFromJSON(bundle)));
    return null;
  } catch (e) {
    return e.message;
  }
}

async function envelope() {
  const text = read("provenance.dsse");
  const is = JSON.parse(text);
  const hint = is.signatures[0].keyid;
  const raw = crypto.createPublicKey(fs.readFileSync(keyFile)).export({ type: "spki", format: "der" }).subarray(-32);
  say(hint === crypto.createHash("sha256").update(raw).digest("hex"), "the keyid is the hash of the key");
  say(Buffer.from(is.payload, "base64").toString() === read("provenance.json"), "the envelope holds the statement");
  const payload = (d, to) => (d.payload = Buffer.from(to(Buffer.from(d.payload, "base64").toString())).toString("base64"));
  await tryAll("the envelope, to @sigstore/verify,", text, (d) => verify(d, { [hint]: keyFile }), {
    "another payload": (d) => payload(d, (s) => s.replace('"equal":true', '"equal":null')),
    "a payload with a blank more": (d) => payload(d, (s) => `${s} `),
    "another signature": (d) => {
      const sig = Buffer.from(d.signatures[0].sig, "base64");
      sig[5] ^= 1;
      d.signatures[0].sig = sig.toString("base64");
    },
    "no signature": (d) => (d.signatures = []),
    "another type": (d) => (d.payloadType = "application/vnd.in-toto.provenance+json"),
    "another keyid": (d) => (d.signatures[0].keyid = hint.replace(/^./, (c) => (c === "0" ? "1" : "0"))),
  });
  say(verify(is, { [hint]: otherFile }) !== null, "the envelope, another key under its hint: is refused");
  say(verify(is, {}) !== null, "the envelope, no key known: is refused");
  await tryAll("the statement", read("provenance.json"), schemaCheck(statement), ofStatement);
}

bills()
  .then(envelope)
  .then(
    () => process.exit(wrong === 0 ? 0 : 1),
    (e) => {
      console.log(`FAILED: ${e.stack}`);
      process.exit(1);
    },
  );
