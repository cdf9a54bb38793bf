// updates.js REPO ROOT TARGET...: tuf-js, a client that is not ours, fetches the targets of an update repository
// over HTTP on the loopback, beginning with ROOT and nothing else; and refuses the repository once a single byte
// of it is another. Exit 0: both; 1: not so. `npm ci` has put tuf-js where NODE_PATH points.
"use strict";
const fs = require("node:fs");
const http = require("node:http");
const os = require("node:os");
const path = require("node:path");
const crypto = require("node:crypto");
const { Updater } = require("tuf-js");

const [repo, root, ...targets] = process.argv.slice(2);
const tmp = fs.mkdtempSync(path.join(os.tmpdir(), "glarus-tuf-js-"));
let edited = null; // { file, at }: one byte of one file is served as another
let asked = new Set();
let wrong = 0;

function say(ok, what) {
  wrong += ok ? 0 : 1;
  console.log(`${ok ? "held" : "FAILED"}: ${what}`);
}

function serve(request, response) {
  const name = decodeURIComponent(new URL(request.url, "http://x").pathname).slice(1);
  const file = path.join(repo, name);
  asked.add(name);
  if (name.split("/").includes("..") || !fs.existsSync(file)) {
    response.writeHead(404).end();
    return;
  }
  const bytes = fs.readFileSync(file);
  if (edited !== null && edited.file === name) bytes[edited.at] ^= 1;
  response.writeHead(200, { "content-length": bytes.length }).end(bytes);
}

let clients = 0;
// A client that knows the root alone, or that goes on in the folder of one before.
async function fetchAll(url, names, folder = path.join(tmp, `client${clients++}`)) {
  const metadataDir = path.join(folder, "metadata");
  const targetDir = path.join(folder, "targets");
  if (!fs.existsSync(folder)) {
    fs.mkdirSync(metadataDir, { recursive: true });
    fs.mkdirSync(targetDir);
    fs.copyFileSync(root, path.join(metadataDir, "root.json"));
  }
  const updater = new Updater({
    metadataDir,
    metadataBaseUrl: `${url}/metadata`,
    targetDir,
    targetBaseUrl: `${url}/targets`,
    config: { fetchRetry: 0, fetchRetries: 0 },
  });
  await updater.refresh();
  const got = [];
  for (const name of names) {
    const info = await updater.getTargetInfo(name);
    if (info === undefined) throw new Error(`no target ${name}`);
    got.push(await updater.downloadTarget(info, path.join(targetDir, encodeURIComponent(name))));
  }
  return { folder, got };
}

// The files that a client is led to, newest first, beside the one that is asked for.
function newest(role) {
  const of = fs.readdirSync(path.join(repo, "metadata")).filter((n) => n.endsWith(`.${role}.json`));
  return `metadata/${of.sort((a, b) => parseInt(b, 10) - parseInt(a, 10))[0]}`;
}

async function main() {
  const server = http.createServer(serve);
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const url = `http://127.0.0.1:${server.address().port}`;
  try {
    await tryAll(url);
  } finally {
    server.closeAllConnections();
    server.close();
    fs.rmSync(tmp, { recursive: true });
  }
}

async function tryAll(url) {
  const signed = JSON.parse(fs.readFileSync(path.join(repo, newest("rules")))).signed;
  const rules = signed.targets;
  const hashed = (name) => `targets/rules/${rules[name].hashes.sha256}.${name.slice("rules/".length)}`;

  const first = await fetchAll(url, targets);
  for (const [i, name] of targets.entries()) {
    const digest = crypto.createHash("sha256").update(fs.readFileSync(first.got[i])).digest("hex");
    say(digest === rules[name].hashes.sha256, `${name} is fetched, ${rules[name].length} bytes`);
    say(asked.has(hashed(name)), `it was asked for as ${hashed(name)}`);
  }
  for (const role of ["snapshot", "targets", "rules"])
    say(asked.has(newest(role)), `${newest(role)} was asked for`);
  const roots = fs.readdirSync(path.join(repo, "metadata")).filter((n) => n.endsWith(".root.json"));
  for (let i = 2; i <= roots.length; i++) say(asked.has(`metadata/${i}.root.json`), `root ${i} was followed`);

  let none = true;
  try {
    await fetchAll(url, ["rules/none.tar"]);
    none = false;
  } catch {}
  say(none, "a target that is not listed is not found");

  const files = ["metadata/timestamp.json", newest("snapshot"), newest("targets"), newest("rules"), hashed(targets[0])];
  if (roots.length > 1) files.push(`metadata/${roots.length}.root.json`);
  for (const file of files) {
    const length = fs.statSync(path.join(repo, file)).size;
    const step = Math.max(1, Math.floor(length / 40));
    let tried = 0;
    const taken = [];
    for (let at = tried; at < length && tried < 40; at += step, tried++) {
      edited = { file, at };
      try {
        await fetchAll(url, targets.slice(0, 1));
        taken.push(at);
      } catch {}
    }
    edited = null;
    say(tried > 30 && taken.length === 0, `${file}: ${tried} bytes of ${length} edited, one at a time; taken: [${taken}]`);
  }

  // who was there before is not led astray either, and goes on with the true repository
  edited = { file: "metadata/timestamp.json", at: 100 };
  let astray = false;
  try {
    await fetchAll(url, targets.slice(0, 1), first.folder);
    astray = true;
  } catch {}
  edited = null;
  say(!astray, "a client that was there before refuses, too");
  await fetchAll(url, targets, first.folder);
  say(true, "and goes on with the true repository");
  say((await fetchAll(url, targets)).got.length === targets.length, "a new one as well");
}

main().then(
  () => process.exit(wrong === 0 ? 0 : 1),
  (e) => {
    console.log(`FAILED: ${e.stack}`);
    process.exit(1);
  },
);
