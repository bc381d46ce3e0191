/** Example command lines for the help texts and the manual, by program and verb. */

import type { Command } from "commander";

const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  flare: ["flare up", "flare list --index-server 127.0.0.1:12120", "flare check", "flare help slave"],
  flared: [
    "flared --data-dir /var/lib/flare/a --server-name 192.0.2.1 --index-servers 192.0.2.9:12120",
    "flared -f /etc/flared.conf --daemonize",
    "flared -f /etc/flared.conf --print-config",
  ],
  flarei: [
    "flarei --data-dir /var/lib/flare/index --server-name 192.0.2.9",
    "flarei -f /etc/flarei.conf --daemonize",
    "flarei -f /etc/flarei.conf --print-config",
  ],
  up: [
    "flare up",
    "flare up --data-dir /var/lib/flare --partitions 2 --slaves 1",
    "flare up --bind 0.0.0.0 --server-name db1.example.org",
  ],
  list: ["flare list", "flare list --output-format json", "flare list --index-server 192.0.2.9:12120"],
  check: ["flare check", "flare check --quiet || mail -s 'flare is not well' ops < /dev/null", "flare check -o json"],
  stats: ["flare stats", "flare stats --qps --wait 10 --count 0", "flare stats 127.0.0.1:12121"],
  top: ["flare top", "flare top --sort requests --wait 5", "flare top --count 1 -o json | jq '.nodes[] | select(.problem)'"],
  watch: ["flare watch", "flare watch --log mutations,evictions", "flare watch -o json >> events.jsonl"],
  slow: ["flare slow", "flare slow --count 100 -o json | jq '.entries[] | select(.ms > 1000)'", "flare slow 127.0.0.1:12121"],
  hot: ["flare hot", "flare hot 127.0.0.1:12121", "flare hot -o json | jq -r '.keys[0].key'"],
  summary: ["flare summary"],
  ping: ["flare ping", "flare ping --wait 127.0.0.1:12121 127.0.0.1:12122"],
  threads: ["flare threads 127.0.0.1:12121"],
  call: ["flare call stats settings", "flare call verbosity 2", "flare call stats --index -o json"],
  bench: [
    "flare bench",
    "flare bench --depth 16 --get-percent 50 --value-size 1000 --pids 4711",
    "flare bench --node 127.0.0.1:12121 --duration 60 -o json",
  ],
  index: [
    "flare index --index-server 127.0.0.1:12121 --increment 1 --output flare.xml",
    "flare index history --count 10",
    "flare index export map.xml",
    "flare index import map.xml --dry-run",
    "flare index move --to etcd://10.0.0.1,10.0.0.2,10.0.0.3/flare/main",
  ],
  verify: ["flare verify", "flare verify --repair", "flare verify --use-test-data --keys 100"],
  master: ["flare master 127.0.0.1:12123:1:1", "flare master 127.0.0.1:12123:1:1 --activate --force"],
  slave: ["flare slave 127.0.0.1:12122:1:0 --dry-run", "flare slave 127.0.0.1:12122:1:0 127.0.0.1:12124:1:1"],
  part: ["flare part 127.0.0.1:12121:1:0", "flare part 127.0.0.1:12123:1:1 127.0.0.1:12124:1:1 --retry 3"],
  balance: ["flare balance 127.0.0.1:12121:1 127.0.0.1:12122:2"],
  promote: ["flare promote 127.0.0.1:12122", "flare promote 127.0.0.1:12122 --no-copy"],
  down: ["flare down 127.0.0.1:12122", "flare down 127.0.0.1:12122 --dry-run"],
  activate: ["flare activate 127.0.0.1:12123"],
  reconstruct: ["flare reconstruct 127.0.0.1:12122", "flare reconstruct --all --force"],
  remove: ["flare remove 127.0.0.1:12122 --force"],
  dump: ["flare dump --output backup.txt --bwlimit 10m", "flare dump --format csv --partition 0 --output part0.csv"],
  dumpkey: ["flare dumpkey --output keys.txt", "flare dumpkey 127.0.0.1:12121"],
  restore: [
    "flare restore --input backup.txt",
    "flare restore --input backup.txt --keep-versions --prefix-include user:",
    "flare restore --backup backups/monday",
    "flare restore --backup backups --archive archive --at 2026-11-27T18:00:00Z",
  ],
  backup: [
    "flare backup backups/monday --bwlimit 10m",
    "flare backup list backups",
    "flare backup list backups --archive archive",
    "flare backup verify backups/monday || mail -s 'the backup is damaged' ops < /dev/null",
  ],
  get: ["flare get greeting", "flare get greeting --node 127.0.0.1:12121 -o json"],
  set: ["flare set greeting hello --expire 3600", "flare set photo - < photo.jpg"],
  scan: ["flare scan --prefix session: --limit 20", "flare scan --values --prefix user: > users.txt"],
  delete: ["flare delete greeting", "flare delete --prefix session: --rate 5000"],
  completion: [
    "flare completion bash > /etc/bash_completion.d/flare",
    'flare completion zsh > "$HOME/.zfunc/_flare"',
    "flare completion fish > ~/.config/fish/completions/flare.fish",
  ],
  man: ["flare man flared | man -l -", "flare man --directory /usr/local/share/man/man1"],
};

/** The examples of a program or verb; none if it is unknown. */
export function examplesOf(name: string): readonly string[] {
  return EXAMPLES[name] ?? [];
}

/** Appends the examples of a program or verb to its help. */
export function addExamples(command: Command): Command {
  const lines = examplesOf(command.name()).map((line) => `  ${line}`);
  return lines.length === 0 ? command : command.addHelpText("after", `\n${["Examples:", ...lines].join("\n")}`);
}
