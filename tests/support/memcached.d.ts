/**
 * The part of the `memcached` client (text protocol) that the tests use; the package has no types of its own.
 */

declare module "memcached" {
  type Callback<T> = (error: Error | undefined, result: T) => void;

  export default class Memcached {
    constructor(servers: string | readonly string[], options?: Readonly<Record<string, unknown>>);
    get(key: string, callback: Callback<unknown>): void;
    gets(key: string, callback: Callback<{ readonly cas: string } | undefined>): void;
    getMulti(keys: readonly string[], callback: Callback<Record<string, unknown>>): void;
    set(key: string, value: unknown, lifetimeSeconds: number, callback: Callback<boolean>): void;
    add(key: string, value: unknown, lifetimeSeconds: number, callback: Callback<boolean>): void;
    replace(key: string, value: unknown, lifetimeSeconds: number, callback: Callback<boolean>): void;
    append(key: string, value: unknown, callback: Callback<boolean>): void;
    prepend(key: string, value: unknown, callback: Callback<boolean>): void;
    cas(key: string, value: unknown, cas: string, lifetimeSeconds: number, callback: Callback<boolean>): void;
    incr(key: string, amount: number, callback: Callback<number | boolean>): void;
    decr(key: string, amount: number, callback: Callback<number | boolean>): void;
    touch(key: string, lifetimeSeconds: number, callback: Callback<boolean>): void;
    del(key: string, callback: Callback<boolean>): void;
    version(callback: Callback<readonly { readonly version: string }[]>): void;
    flush(callback: Callback<readonly boolean[]>): void;
    stats(callback: Callback<readonly Record<string, unknown>[]>): void;
    settings(callback: Callback<readonly unknown[]>): void;
    slabs(callback: Callback<readonly unknown[]>): void;
    items(callback: Callback<readonly unknown[]>): void;
    end(): void;
  }
}
