/**
 * The part of the `memjs` client (binary protocol) that the tests use; the package has no types of its own.
 */

declare module "memjs" {
  interface Options {
    readonly expires?: number;
    readonly initial?: number;
    readonly retries?: number;
    /** Seconds a server that failed is left alone. */
    readonly failoverTime?: number;
    /** Seconds. */
    readonly timeout?: number;
    readonly logger?: { log(text: string): void };
    readonly username?: string;
    readonly password?: string;
  }

  export class Client {
    static create(servers: string, options?: Options): Client;
    get(key: string): Promise<{ readonly value: Uint8Array | null; readonly flags: Uint8Array | null }>;
    set(key: string, value: string | Uint8Array, options?: Options): Promise<boolean>;
    add(key: string, value: string | Uint8Array, options?: Options): Promise<boolean>;
    replace(key: string, value: string | Uint8Array, options?: Options): Promise<boolean>;
    delete(key: string): Promise<boolean>;
    increment(
      key: string,
      amount: number,
      options?: Options,
    ): Promise<{ readonly success: boolean; readonly value: number | null }>;
    decrement(
      key: string,
      amount: number,
      options?: Options,
    ): Promise<{ readonly success: boolean; readonly value: number | null }>;
    append(key: string, value: string | Uint8Array): Promise<boolean>;
    prepend(key: string, value: string | Uint8Array): Promise<boolean>;
    touch(key: string, expires: number): Promise<boolean>;
    flush(): Promise<Record<string, boolean>>;
    quit(): void;
    close(): void;
  }
}
