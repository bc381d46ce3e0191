/**
 * The files of docs/deployment can be read, and agree with the programs and with each other: options, ports, names, paths,
 * users.
 */

import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { flared, flarei } from "../../cli/daemon_programs.ts";
import { outlineOf } from "../../cli/program_outline.ts";
import { clusterVerbs } from "../../cli/verbs.ts";
import type { OptionTable } from "../../lib/base/option_schema.ts";
import { environmentName, resolveSettings } from "../../lib/base/settings.ts";
import { VERSION } from "../../lib/base/version.ts";
import { INDEX_PORT, NODE_PORT } from "../../lib/net/daemon_options.ts";
import {
  type Directive,
  deploymentText,
  dockerInstructions,
  executedCommands,
  unitDirectives,
  yamlDocuments,
  yamlFile,
} from "../support/deployment_files.ts";
import { readRepositoryFile, repositoryFiles } from "../support/repository.ts";

const tables: Readonly<Record<string, OptionTable>> = { flared: flared.table, flarei: flarei.table };
/** What the operator's verbs read of the environment. */
const verbVariables = new Set(["FLARE_INDEX_SERVER"]);
const IMAGE = `flare-kv:${VERSION}`;
const HTTP_PORT = 13200;
const UID = 10001;

/** The variables of an environment that set nothing in a program. */
function unknownVariables(program: string, names: readonly string[]): string[] {
  const known = new Set(Object.values(tables[program] ?? {}).map(({ name }) => environmentName(name)));
  return names.filter((name) => name.startsWith("FLARE_") && !known.has(name));
}

/** The settings of a program by an environment, checked as at its start. @throws FlareError */
function settingsOf(program: "flared" | "flarei", environment: Readonly<Record<string, string>>): Record<string, unknown> {
  const daemon = program === "flared" ? flared : flarei;
  return resolveSettings<OptionTable>(daemon.table, { environment }).values;
}

describe("the Dockerfile", () => {
  const instructions = dockerInstructions("Dockerfile");
  const last = (name: string): string => instructions.filter(([instruction]) => instruction === name).at(-1)?.[1] ?? "";

  it("builds in one stage what runs in the other, on a Node that is new enough", () => {
    const known = "FROM WORKDIR COPY RUN USER VOLUME ENV EXPOSE HEALTHCHECK STOPSIGNAL CMD".split(" ");
    assertEquals(
      instructions.map(([name]) => name).filter((name) => !known.includes(name)),
      [],
    );
    const stages = instructions.filter(([name]) => name === "FROM").map(([, rest]) => rest);
    assertEquals(stages.length, 2);
    const { engines } = JSON.parse(readRepositoryFile("package.json")) as { engines: { node: string } };
    for (const stage of stages) {
      const [, major = "0"] = /^node:(\d+)-\w+-slim( AS \w+)?$/.exec(stage) ?? [];
      assert(Number(major) >= Number(/\d+/.exec(engines.node)?.[0]), stage);
    }
    const [, name = ""] = / AS (\w+)$/.exec(stages[0] ?? "") ?? [];
    assertMatch(last("COPY"), new RegExp(`^--from=${name} `));
  });

  it("runs a program of the package as somebody without rights, with options that exist", () => {
    assertEquals(last("USER"), `${UID}:${UID}`);
    const { bin } = JSON.parse(readRepositoryFile("package.json")) as { bin: Record<string, string> };
    const [program = ""] = JSON.parse(last("CMD")) as string[];
    assert(program in bin, program);
    const environment = Object.fromEntries(
      last("ENV")
        .split(" ")
        .map((pair) => pair.split("=") as [string, string]),
    );
    for (const name of ["flared", "flarei"] as const) {
      assertEquals(unknownVariables(name, Object.keys(environment)), []);
      const { httpPort, dataDir } = settingsOf(name, environment);
      assertEquals([httpPort, dataDir], [HTTP_PORT, last("VOLUME")]);
    }
    assertEquals(last("EXPOSE"), [INDEX_PORT, NODE_PORT, HTTP_PORT].join(" "));
  });

  it("asks for health by a script that can be read, where HTTP listens", () => {
    const [, , script = ""] = JSON.parse(last("HEALTHCHECK").replace(/^.*? CMD /, "")) as string[];
    assert(typeof new Function(script) === "function");
    assertMatch(script, /^fetch\(`http:\/\/127\.0\.0\.1:\$\{process\.env\.FLARE_HTTP_PORT\}\/livez`\)/);
  });

  it("sends nothing to the build that the build makes", () => {
    const ignored = deploymentText("Dockerfile.dockerignore").split("\n");
    for (const name of ["node_modules", "dist", ".git"]) assert(ignored.includes(name), name);
  });
});

interface ComposeService {
  readonly image?: string;
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly depends_on?: Readonly<Record<string, unknown>>;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly profiles?: readonly string[];
}

describe("the compose file", () => {
  const { services, volumes } = yamlFile("compose.yaml") as {
    services: Record<string, ComposeService>;
    volumes: Record<string, unknown>;
  };
  const servers = Object.entries(services).filter(([, { profiles }]) => profiles === undefined);
  const nodes = servers.filter(([, { environment }]) => environment?.FLARE_INDEX_SERVERS !== undefined);

  it("has an index server and four nodes, each known by its name, with a volume of its own", () => {
    assertEquals([servers.length, nodes.length], [5, 4]);
    for (const [name, { image, environment = {}, volumes: own = [] }] of servers) {
      assertEquals([image, environment.FLARE_SERVER_NAME, own], [IMAGE, name, [`${name}:/data`]]);
      assert(name in volumes, name);
    }
    assertEquals(Object.keys(volumes).length, servers.length);
    const { build } = services.index as ComposeService;
    assertEquals(new URL(build?.context ?? "", "file:///docs/deployment/").pathname, "/");
    assertEquals(build?.dockerfile, "docs/deployment/Dockerfile");
  });

  it("gives the programs options that exist, and addresses where something listens", () => {
    for (const [name, { command: [program = "flared"] = [], environment = {}, depends_on = {}, ports = [] }] of servers) {
      assertEquals(unknownVariables(program, Object.keys(environment)), [], name);
      settingsOf(program as "flared", environment);
      for (const dependency of Object.keys(depends_on)) assert(dependency in services, dependency);
      for (const port of ports) assertEquals(Number(port.split(":").at(-1)), NODE_PORT);
    }
    for (const [, { environment }] of nodes) assertEquals(environment?.FLARE_INDEX_SERVERS, `index:${INDEX_PORT}`);
    for (const [name, { healthcheck }] of servers) {
      const [, , , script = ""] = healthcheck?.test ?? [];
      assert(typeof new Function(script) === "function", name);
      assertMatch(script, new RegExp(`http://127\\.0\\.0\\.1:${HTTP_PORT}/readyz'`), name);
    }
  });

  it("gives each node a role once, a master and a slave in each of two partitions", () => {
    const { environment = {}, command = [] } = services.setup as ComposeService;
    assertEquals(
      Object.keys(environment).filter((name) => !verbVariables.has(name)),
      [],
    );
    assertEquals(environment.FLARE_INDEX_SERVER, `index:${INDEX_PORT}`);
    const places = [...(command.at(-1) ?? "").matchAll(/(node-\d+):(\d+):1:(\d)/g)].map(([, name, port, part]) => {
      assertEquals(Number(port), NODE_PORT);
      return `${name}/${part}`;
    });
    assertEquals(places.map((place) => place.split("/")[0]).sort(), nodes.map(([name]) => name).sort());
    assertEquals(places.map((place) => place.split("/")[1]).join(""), "0011");
  });
});

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
}

interface Container {
  readonly image: string;
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value?: string }[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly startupProbe: Probe;
  readonly livenessProbe: Probe;
  readonly readinessProbe: Probe;
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
  readonly securityContext: Readonly<Record<string, unknown>>;
}

interface Resource {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  readonly spec: {
    readonly serviceName: string;
    readonly selector: Readonly<Record<string, string>> & { readonly matchLabels?: Readonly<Record<string, string>> };
    readonly ports: readonly { readonly name: string; readonly port: number }[];
    readonly clusterIP?: string;
    readonly publishNotReadyAddresses?: boolean;
    readonly template: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> };
      readonly spec: { readonly securityContext: Readonly<Record<string, unknown>>; readonly containers: readonly Container[] };
    };
    readonly volumeClaimTemplates: readonly { readonly metadata: { readonly name: string } }[];
  };
}

describe("the Kubernetes manifests", () => {
  const resources = yamlDocuments("kubernetes/flare.yaml") as Resource[];
  const sets = resources.filter(({ kind }) => kind === "StatefulSet");
  const services = resources.filter(({ kind }) => kind === "Service");

  it("select what there is", () => {
    assertEquals(
      resources.map(({ kind, metadata }) => `${kind} ${metadata.name}`),
      [
        ...["Service flare-index", "Service flare-node", "Service flare", "PodDisruptionBudget flare-node"],
        ...["StatefulSet flare-index", "StatefulSet flare-node"],
      ],
    );
    const labels = sets.map(({ spec }) => JSON.stringify(spec.template.metadata.labels));
    for (const { metadata, spec } of resources) {
      assert(labels.includes(JSON.stringify(spec.selector.matchLabels ?? spec.selector)), metadata.name);
    }
    for (const { spec } of sets) {
      const service = services.find(({ metadata }) => metadata.name === spec.serviceName);
      // Servers find each other by name before they are ready, each by a name of its own.
      assertEquals([service?.spec.clusterIP, service?.spec.publishNotReadyAddresses], ["None", true]);
    }
  });

  it("run the image with options that exist, and ask it where it listens", () => {
    for (const { metadata, spec } of sets) {
      const [container] = spec.template.spec.containers as [Container];
      const [program = ""] = container.args;
      const ports = Object.fromEntries(container.ports.map(({ name, containerPort }) => [name, containerPort]));
      assertEquals(container.image, IMAGE);
      assertEquals(
        ports,
        program === "flarei" ? { flare: INDEX_PORT, http: HTTP_PORT } : { memcached: NODE_PORT, http: HTTP_PORT },
      );
      const variables = container.env.map(({ name }) => name);
      assertEquals(unknownVariables(program, variables), [], metadata.name);
      // A name is expanded only from variables before it.
      container.env.forEach(({ value = "" }, at) => {
        for (const [, name = ""] of value.matchAll(/\$\((\w+)\)/g)) assert(variables.slice(0, at).includes(name), value);
      });
      const { startupProbe, livenessProbe, readinessProbe } = container;
      for (const { httpGet } of [startupProbe, livenessProbe, readinessProbe]) assert(httpGet.port in ports);
      assertEquals(
        [startupProbe, livenessProbe, readinessProbe].map(({ httpGet }) => httpGet.path),
        ["/livez", "/livez", "/readyz"],
      );
      const values = Object.fromEntries(
        container.env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])),
      );
      assertEquals(values.FLARE_HTTP_BIND, "0.0.0.0");
      assertEquals(values.FLARE_SERVER_NAME, `$(POD_NAME).${spec.serviceName}.$(POD_NAMESPACE).svc.cluster.local`);
      settingsOf(
        program as "flared",
        Object.fromEntries(Object.entries(values).map(([k, v]) => [k, v.replaceAll(/\$\(\w+\)/g, "x")])),
      );
    }
  });

  it("mount what is claimed, and give no rights", () => {
    for (const { spec } of sets) {
      const { securityContext, containers } = spec.template.spec;
      assertEquals([securityContext.runAsNonRoot, securityContext.runAsUser, securityContext.fsGroup], [true, UID, UID]);
      for (const { volumeMounts, securityContext: own } of containers) {
        assertEquals([own.allowPrivilegeEscalation, own.readOnlyRootFilesystem], [false, true]);
        assertEquals(own.capabilities, { drop: ["ALL"] });
        assertEquals(
          volumeMounts.map(({ name, mountPath }) => `${name} ${mountPath}`),
          spec.volumeClaimTemplates.map(({ metadata }) => `${metadata.name} /data`),
        );
      }
    }
  });
});

describe("the units of systemd", () => {
  const units = { flarei: unitDirectives("systemd/flarei.service"), flared: unitDirectives("systemd/flared@.service") };
  const settingIn = (unit: readonly Directive[], name: string): string => unit.find(([, each]) => each === name)?.[2] ?? "";

  it("start the programs with options that exist, in their directories, as their user", () => {
    for (const [program, unit] of Object.entries(units)) {
      const [path = "", ...args] = settingIn(unit, "ExecStart").split(" ");
      assertEquals(path, `/usr/local/bin/${program}`);
      const options = Object.values(tables[program] as OptionTable);
      const flags = args.filter((arg) => arg.startsWith("--"));
      assertEquals(flags.length * 2, args.length);
      for (const flag of flags)
        assert(
          options.some(({ name }) => `--${name}` === flag),
          flag,
        );
      const at = (flag: string): string => args[args.indexOf(flag) + 1] ?? "";
      assertEquals(at("--config"), `/etc/flare/${program}.conf`);
      assertMatch(at("--data-dir"), new RegExp(`^/var/lib/${settingIn(unit, "StateDirectory")}/`));
      const [, user = ""] = /^u (\w+) /m.exec(deploymentText("systemd/flare.sysusers")) ?? [];
      assertEquals([settingIn(unit, "User"), settingIn(unit, "Group")], [user, user]);
    }
  });

  it("wait for a message that another process sends, and leave time to say goodbye", () => {
    for (const unit of Object.values(units)) {
      assertEquals(
        [settingIn(unit, "Type"), settingIn(unit, "NotifyAccess"), settingIn(unit, "KillMode")],
        ["notify", "all", "mixed"],
      );
      assertEquals(settingIn(unit, "ExecReload"), "/bin/kill -HUP $MAINPID");
      assert(Number(settingIn(unit, "TimeoutStopSec")) >= 30);
      assert(Number(settingIn(unit, "LimitNOFILE")) >= 16_384);
      // The runtimes make machine code.
      assertEquals(settingIn(unit, "MemoryDenyWriteExecute"), "");
    }
  });

  it("are the same in what they forbid", () => {
    const forbids = (unit: readonly Directive[]): string[] =>
      unit.slice(unit.findIndex(([, name]) => name === "User")).map((directive) => directive.join(" "));
    assertEquals(forbids(units.flared), forbids(units.flarei));
    assert(forbids(units.flared).length > 25);
  });

  it("read config files with options that exist", () => {
    for (const [program, daemon] of Object.entries({ flared, flarei })) {
      const file = { path: `${program}.conf`, text: deploymentText(`systemd/${program}.conf`) };
      const { values } = resolveSettings<OptionTable>(daemon.table as OptionTable, { file });
      assert(values.serverName !== "");
    }
  });

  it("get signals from logrotate under their names", () => {
    const text = deploymentText("systemd/flare.logrotate");
    for (const name of ["flarei.service", "flared@*.service"]) assert(text.includes(`'${name}'`), name);
    assertMatch(text, /--signal=HUP/);
  });
});

describe("docs/deployment.md", () => {
  const text = readRepositoryFile("docs/deployment.md");

  it("links to each of the files", () => {
    const files = ["Dockerfile", "compose.yaml", "kubernetes/flare.yaml"];
    const units = ["flarei.service", "flared@.service", "flarei.conf", "flared.conf", "flare.sysusers", "flare.logrotate"];
    const wanted = [...files, ...units.map((name) => `systemd/${name}`)];
    const linked = [...text.matchAll(/\]\(deployment\/([^)]+)\)/g)].map(([, name = ""]) => name);
    assertEquals([...new Set(linked)].sort(), wanted.sort());
    for (const name of linked) assert(deploymentText(name) !== "");
    assertEquals(repositoryFiles("docs/deployment", "").length, wanted.length + 1);
  });

  it("has commands with verbs and options that exist", () => {
    const verbs = new Map(clusterVerbs().map((command) => [command.name(), outlineOf(command)]));
    const blocks = [...text.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block = ""]) => block).join("\n");
    assert(blocks.includes(executedCommands()));
    let count = 0;
    for (const [, verb = "", rest = ""] of blocks.matchAll(/(?<!--namespace |[\w-])flare ([a-z]+)([^#;\n]*)/g)) {
      count++;
      const known = verbs.get(verb);
      assert(known !== undefined, verb);
      for (const [flag] of rest.matchAll(/(?<= )--[a-z-]+/g)) {
        assert(
          known?.options.some(({ long }) => long === flag),
          `flare ${verb} ${flag}`,
        );
      }
    }
    assert(count > 10, String(count));
  });
});
