/**
 * Changes of the cluster over HTTP, with the plans, refusals and warnings of the command line. One runs at a time, to its end,
 * whether its client waits for that or not.
 */

import { eventLines, lostCopyText, previewRecord } from "../admin/change_texts.ts";
import { ClusterAdmin } from "../admin/cluster_admin.ts";
import { lostCopies } from "../admin/only_copies.ts";
import { FlareError } from "../base/errors.ts";
import { auditLine } from "../net/audit.ts";
import type { ClientIdentity } from "../net/auth/access_list.ts";
import { type HttpHandler, jsonResponse } from "../net/http/http_handler.ts";
import type { Timer } from "../runtime/runtime.ts";
import { type AskedChange, askedChange } from "./change_request.ts";
import { adminOptions, type CollectorHost } from "./collector.ts";
import type { Happenings } from "./happenings.ts";
import { failure, parsedBody } from "./json_body.ts";

/** The longest request for a change. */
export const CHANGE_BYTES_MAX = 65536;
/** How long an answer waits for the end of a change. */
export const ANSWER_MS = 10_000;
/** Most lines of a change that its answer repeats. */
const LINES_MAX = 200;

export class Changes {
  readonly handler: HttpHandler = (_request, client, body) => this.#answer(client, body);
  readonly #host: CollectorHost;
  readonly #happenings: Happenings;
  readonly #onHappening: () => void;
  #running: string | undefined;
  readonly #admins = new Set<ClusterAdmin>();
  #isStopped = false;

  /** @param onHappening called when a change has something to say */
  constructor(host: CollectorHost, happenings: Happenings, onHappening: () => void) {
    this.#host = host;
    this.#happenings = happenings;
    this.#onHappening = onHappening;
  }

  /** Accepts no more; one that runs ends where it is. */
  stop(): void {
    this.#isStopped = true;
    for (const admin of this.#admins) admin.close();
  }

  async #answer(client: ClientIdentity, body: Uint8Array): Promise<Response> {
    if (this.#isStopped) return jsonResponse(503, { error: "this server is stopping" });
    const admin = new ClusterAdmin(adminOptions(this.#host));
    this.#admins.add(admin);
    let isHandedOver = false;
    try {
      const asked = askedChange(parsedBody(body));
      const warnings = lostCopies(await admin.view(), asked.change).map(lostCopyText);
      const preview = previewRecord(await admin.preview(asked.change));
      if (asked.isDryRun) return jsonResponse(200, { ...preview, warnings });
      if (warnings.length > 0 && !asked.isConfirmed) {
        const error = `"${asked.text}" needs "confirm": true, because of a warning: ${warnings.join("; ")}`;
        return jsonResponse(409, { error, ...preview, warnings });
      }
      if (this.#running !== undefined) {
        return jsonResponse(409, { error: `another change runs: "${this.#running}"; wait for its end` });
      }
      isHandedOver = true;
      return await this.#carryOut(admin, asked, client);
    } catch (error) {
      return failure(error);
    } finally {
      if (!isHandedOver) this.#close(admin);
    }
  }

  async #carryOut(admin: ClusterAdmin, asked: AskedChange, client: ClientIdentity): Promise<Response> {
    this.#running = asked.text;
    this.#audit(client, asked.text, "begun");
    const done: string[] = [];
    const running = this.#run(admin, asked, done).finally(() => {
      this.#running = undefined;
      this.#close(admin);
    });
    const ended = running.then(
      () => {
        this.#audit(client, asked.text, "done");
        this.#happened(`${asked.text}: done`);
        return jsonResponse(200, { done });
      },
      (error) => {
        if (!(error instanceof FlareError)) this.#unexpected(error);
        const reason = error instanceof FlareError ? error.message : "an unexpected error, see the log";
        this.#audit(client, asked.text, `failed: ${reason}`);
        this.#happened(`${asked.text}: failed: ${reason}`);
        return error instanceof FlareError ? failure(error, { done }) : jsonResponse(500, { error: reason, done });
      },
    );
    const { clock } = this.#host.runtime;
    let timer: Timer | undefined;
    const late = new Promise<Response>((resolve) => {
      timer = clock.setTimer(() => resolve(jsonResponse(202, { running: asked.text, done: [...done] })), ANSWER_MS);
    });
    const response = await Promise.race([ended, late]);
    if (timer !== undefined) clock.clearTimer(timer);
    return response;
  }

  async #run(admin: ClusterAdmin, { change, text }: AskedChange, done: string[]): Promise<void> {
    for await (const event of admin.carryOut(change)) {
      if (event.kind === "progress") continue;
      for (const line of eventLines(event)) {
        if (done.length < LINES_MAX) done.push(line);
        this.#happened(`${text}: ${line}`);
      }
    }
  }

  #happened(text: string): void {
    this.#happenings.add("change", null, text);
    this.#onHappening();
  }

  /** A bug. Nobody may be waiting for the answer any more. */
  #unexpected(error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#host.runtime.log.write("error", `a change failed unexpectedly: ${text}`);
  }

  #audit(client: ClientIdentity, what: string, result: string): void {
    this.#host.runtime.log.write("notice", auditLine(client, "http", what, result));
  }

  #close(admin: ClusterAdmin): void {
    admin.close();
    this.#admins.delete(admin);
  }
}
