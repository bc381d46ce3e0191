/**
 * The npm client `memcached`. It sets prototypes by way of `__proto__`, which does nothing in Deno unless it is put back
 * before the package is loaded.
 */

if ("Deno" in globalThis) {
  Object.defineProperty(Object.prototype, "__proto__", {
    configurable: true,
    get(): unknown {
      return Object.getPrototypeOf(this);
    },
    set(prototype: object | null) {
      Object.setPrototypeOf(this, prototype);
    },
  });
}

/** The client's class. */
export const { default: Memcached } = await import("memcached");
