/**
 * The same requests by the text, the meta and the binary protocol: what the protocols cost beside text, each server
 * compared with itself, and beside memcached answering the same protocol. All protocols and servers take turns within each
 * round; ratios are taken within a round, and the median of the rounds counts.
 */

import type { Effort } from "./cluster_load.ts";
import type { Load, LoadGenerator, Measurement, Target } from "./load_generator.ts";
import { heading, median, medians, spread } from "./report.ts";
import { runtimeCommand, type ServerProcess, startFlare, startMemcached } from "./server_process.ts";

/** How much CPU a meta get may use, as a ratio to a text get of the same server in the same round. */
const META_GET_RATIO_MAX = 1.15;

type Form = Pick<Load, "protocol" | "metaFlags"> & { readonly name: string };

const TEXT: Form = { name: "text", protocol: "text" };
const META: Form = { name: "meta", protocol: "meta" };
const META_FLAGS: Form = { name: "meta t f c v", protocol: "meta", metaFlags: "t f c v" };
const BINARY: Form = { name: "binary", protocol: "binary" };

/** The first form of each group is what the others are compared with. */
const GROUPS: readonly (Pick<Load, "depth" | "keysPerGet" | "getPercent"> & { name: string; forms: readonly Form[] })[] = [
  { name: "get, depth 1", depth: 1, keysPerGet: 1, getPercent: 100, forms: [TEXT, META, META_FLAGS, BINARY] },
  { name: "get, depth 16", depth: 16, keysPerGet: 1, getPercent: 100, forms: [TEXT, META, META_FLAGS, BINARY] },
  {
    name: "get of 16 keys",
    depth: 1,
    keysPerGet: 16,
    getPercent: 100,
    forms: [TEXT, { name: "binary getkq", protocol: "binary" }],
  },
  { name: "set, depth 1", depth: 1, keysPerGet: 1, getPercent: 0, forms: [TEXT, META, BINARY] },
  { name: "set, depth 16", depth: 16, keysPerGet: 1, getPercent: 0, forms: [TEXT, META, BINARY] },
];

interface Contender {
  readonly name: string;
  readonly server: ServerProcess;
  readonly target: Target;
}

/** Measures and prints all groups. */
export async function measureProtocols(generator: LoadGenerator, effort: Effort): Promise<void> {
  const contenders: Contender[] = [];
  const add = (name: string, server: ServerProcess | undefined): void => {
    if (server === undefined) console.log(`left out: ${name} is not installed`);
    else contenders.push({ name, server, target: { port: server.port, pids: [server.pid] } });
  };
  try {
    add("flare, node", await startFlare(runtimeCommand("node") ?? ["node"]));
    add("memcached -t1", await startMemcached());
    for (const { target } of contenders) await generator.fill(target);
    for (const group of GROUPS) await compare(generator, contenders, group, effort);
  } finally {
    for (const { server } of contenders) await server.stop();
  }
}

async function compare(
  generator: LoadGenerator,
  contenders: readonly Contender[],
  { name, forms, ...load }: (typeof GROUPS)[number],
  { rounds, seconds }: Effort,
): Promise<void> {
  const found = new Map<string, Measurement[]>();
  for (let round = 0; round < rounds; round++) {
    for (const form of forms) {
      for (const { name: server, target } of contenders) {
        const key = `${server}, ${form.name}`;
        found.set(key, [...(found.get(key) ?? []), await generator.measure(target, { ...load, ...form }, seconds)]);
      }
    }
  }
  const [base] = forms;
  const ratios = (of: string, to: string): number[] => {
    const others = found.get(to) ?? [];
    return (found.get(of) ?? []).flatMap(({ serverCpuUs }, i) => {
      const other = others[i];
      return other === undefined ? [] : [serverCpuUs / other.serverCpuUs];
    });
  };
  console.log(`\n${name}, by protocol`);
  console.log(heading(`ratio to ${base?.name}            ratio to memcached`));
  for (const { name: server } of contenders) {
    for (const form of forms) {
      const key = `${server}, ${form.name}`;
      const beside = spread(ratios(key, `${server}, ${base?.name}`)).padEnd(26);
      console.log(medians(key, found.get(key) ?? []) + beside + spread(ratios(key, `memcached -t1, ${form.name}`)));
    }
  }
  if (load.getPercent < 100 || !forms.includes(META)) return;
  const ratio = median(ratios("flare, node, meta", "flare, node, text"));
  const verdict = ratio <= META_GET_RATIO_MAX ? "kept" : "MISSED";
  console.log(`bar: a meta get at most ${META_GET_RATIO_MAX} × a text get: ${verdict}, ${ratio.toFixed(2)}`);
}
