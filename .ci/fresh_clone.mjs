/**
 * A newcomer's first minute, for real: fresh clones on machines that have only Node with npm, only Deno or only Bun,
 * with empty caches, are started and answer; and a project installs a clone's path and uses the library. Prints how long each
 * took and how many bytes this machine downloaded. Needs git and the registry; part of `.ci/run`, not of the tests.
 * Arguments: the names of the trials to run, all unless given.
 */

import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";
import { root, setUpDevelopment } from "./setup.mjs";

setUpDevelopment();
const READY_MS = 300_000;
const place = mkdtempSync(join(tmpdir(), "flare-fresh-"));

/** What every machine has, beside the runtime. */
const commonPrograms = ["env", "sh", "git", "uname", "dirname", "sed"];

const trials = {
  npm: () => start(["node", "npm"], ["npm", "start", "--"]),
  deno: () => start(["deno"], ["deno", "task", "start"]),
  bun: () => start(["bun"], ["bun", "run", "start"]),
  path: () => installPath([]),
  copy: () => installPath(["--install-links"]),
};

try {
  const names = process.argv.slice(2);
  for (const [name, trial] of Object.entries(trials)) {
    if (names.length > 0 && !names.includes(name)) continue;
    const [startedMs, startedBytes] = [performance.now(), receivedBytes()];
    const what = await trial();
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    const megabytes = ((receivedBytes() - startedBytes) / 1e6).toFixed(1);
    console.log(`${name}: ${what} after ${seconds} s and ${megabytes} MB`);
  }
} finally {
  rmSync(place, { recursive: true, force: true });
}

/** Starts a fresh clone where nothing but `programs` is installed, and asks it for a value. */
async function start(programs, [program, ...args]) {
  const { clone, environment } = machine(programs);
  const child = spawn(program, [...args, "--port", "0", "--index-port", "0", "--http-port", "0"], {
    cwd: clone,
    env: environment,
  });
  let said = "";
  const port = await new Promise((resolve, reject) => {
    const fail = (reason) => reject(new Error(`${program} ${args.join(" ")}: ${reason}:\n${said}`));
    const timer = setTimeout(() => fail("it is not ready"), READY_MS);
    const listen = (chunk) => {
      said += chunk;
      if (!/^ready/m.test(said)) return;
      clearTimeout(timer);
      resolve(Number(/^node server on 127\.0\.0\.1:(\d+)/m.exec(said)?.[1]));
    };
    child.stdout.on("data", listen);
    child.stderr.on("data", listen);
    child.on("error", reject);
    child.on("exit", (status) => fail(`it ended with status ${status}`));
  });
  const answer = await ask(port, "set greeting 0 0 5\r\nhello\r\nget greeting\r\nquit\r\n");
  check(answer === "STORED\r\nVALUE greeting 0 5\r\nhello\r\nEND\r\n", `it answered ${JSON.stringify(answer)}`);
  child.removeAllListeners("exit");
  const ended = new Promise((resolve) => child.on("exit", resolve));
  child.kill("SIGINT");
  check((await ended) === 0, `it did not stop in order:\n${said}`);
  checkClean(clone);
  return "ready";
}

/** Installs the path of a fresh clone in an empty project, with npm's `args`, and uses the library from there. */
function installPath(args) {
  const { clone, environment } = machine(["node", "npm"]);
  const project = join(place, "project");
  rmSync(project, { recursive: true, force: true });
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), '{ "type": "module" }\n');
  writeFileSync(
    join(project, "use.js"),
    `import { startCluster } from "flare-kv";
const cluster = await startCluster({ dataDir: "data" });
console.log(cluster.addresses.length);
await cluster.stop();\n`,
  );
  run("npm", ["install", ...args, clone], project, environment);
  check(run("node", ["use.js"], project, environment) === "1\n", "the library does not start a cluster");
  check(existsSync(join(project, "node_modules/flare-kv/dist/mod.d.ts")), "there are no types");
  checkClean(clone);
  return "a library";
}

/** A clone of what is committed, and the environment of a machine where nothing but `programs` is installed. */
function machine(programs) {
  const [clone, home, bin] = ["clone", "home", "bin"].map((name) => join(place, name));
  for (const directory of [clone, home, bin]) rmSync(directory, { recursive: true, force: true });
  mkdirSync(home);
  mkdirSync(bin);
  run("git", ["clone", "--quiet", root, clone], place, process.env);
  for (const name of [...commonPrograms, ...programs]) symlinkSync(programPath(name), join(bin, name));
  // What tells a program about proxies and certificates belongs to the machine; the rest is ours.
  const kept = Object.entries(process.env).filter(([name]) => /proxy|_CA_|_CERT|REGISTRY/i.test(name));
  return { clone, environment: { ...Object.fromEntries(kept), HOME: home, PATH: bin, NO_COLOR: "1" } };
}

/** Where a program is; of Deno and Bun the binary itself, for their packages' own starters need Node. */
function programPath(name) {
  const tools = join(root, "node_modules/.tools/node_modules");
  if (name === "deno") return join(tools, "deno/deno");
  if (name === "bun") return join(tools, "bun/bin/bun.exe");
  const found = (process.env.PATH ?? "").split(delimiter).find((directory) => existsSync(join(directory, name)));
  check(found !== undefined && !found.startsWith(join(root, "node_modules")), `there is no ${name}`);
  return join(found, name);
}

/** An installation leaves nothing behind that git would see. */
function checkClean(clone) {
  const changes = run("git", ["status", "--porcelain"], clone, process.env);
  check(changes === "", `the clone is changed:\n${changes}`);
}

function run(program, args, cwd, env) {
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd, env, encoding: "utf8" });
  check(status === 0, `${program} ${args.join(" ")} failed: ${error?.message ?? ""}\n${stdout}${stderr}`);
  return stdout;
}

function ask(port, request) {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(request));
    socket.setEncoding("latin1");
    socket.on("data", (text) => {
      answer += text;
    });
    socket.on("end", () => resolve(answer));
    socket.on("error", reject);
  });
}

/** Bytes this machine has received from others, as Linux counts them; 0 elsewhere. */
function receivedBytes() {
  if (!existsSync("/proc/net/dev")) return 0;
  const lines = readFileSync("/proc/net/dev", "utf8").split("\n");
  const counts = lines.map((line) => /^\s*(?!lo:)\S+:\s*(\d+)/.exec(line)?.[1] ?? 0);
  return counts.reduce((sum, count) => sum + Number(count), 0);
}

function check(holds, what) {
  if (!holds) throw new Error(what);
}
