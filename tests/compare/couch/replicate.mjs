// First replication of documents.json from memory to memory over HTTP, then one with nothing to do.
// Prints one line of JSON: milliseconds, and bytes both ways as they passed a proxy (headers included).
import { readFileSync } from "node:fs";
import net from "node:net";

import express from "express";
import expressPouch from "express-pouchdb";
import PouchDB from "pouchdb";
import memory from "pouchdb-adapter-memory";

PouchDB.plugin(memory);
const Server = PouchDB.defaults({ adapter: "memory" });
const app = express();
app.use("/", expressPouch(Server, { mode: "minimumForPouchDB", inMemoryConfig: true, logPath: "/dev/null" }));
const http = await new Promise((done) => { const listening = app.listen(0, "127.0.0.1", () => done(listening)); });

let bytes = 0;
const proxy = net.createServer((near) => {
  const far = net.connect(http.address().port, "127.0.0.1");
  near.on("data", (part) => { bytes += part.length; far.write(part); });
  far.on("data", (part) => { bytes += part.length; near.write(part); });
  for (const [one, other] of [[near, far], [far, near]]) {
    one.on("end", () => other.end());
    one.on("error", () => other.destroy());
  }
});
await new Promise((done) => proxy.listen(0, "127.0.0.1", done));

const local = new PouchDB("local", { adapter: "memory" });
const documents = JSON.parse(readFileSync("documents.json", "utf8"));
await local.bulkDocs(documents);
const remote = new PouchDB(`http://127.0.0.1:${proxy.address().port}/inventory`);
await remote.info();

async function replicate() {
  bytes = 0;
  const started = performance.now();
  const result = await local.replicate.to(remote, { batch_size: 500 });
  return { ms: performance.now() - started, bytes, written: result.docs_written };
}
const first = await replicate();
if (first.written !== documents.length) throw new Error(`${first.written} of ${documents.length} arrived`);
const idle = await replicate();
console.log(JSON.stringify({ first_ms: first.ms, first_bytes: first.bytes, idle_ms: idle.ms, idle_bytes: idle.bytes }));
process.exit(0);
