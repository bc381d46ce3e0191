/* @ts-self-types="./mod.d.ts" */
/**
 * The assertions of JSR's `@std/assert` that the tests use, with the same names and arguments, over `node:assert`:
 * so that the tests run the same under Node, Deno and Bun without a second package registry.
 * It is a development tool of this repository and is not published.
 */
import nodeAssert from "node:assert";
import { inspect, isDeepStrictEqual } from "node:util";

/** What every assertion of this module throws. */
export class AssertionError extends Error {
  constructor(message, options) {
    super(message, options);
    this.name = "AssertionError";
  }
}

function show(value) {
  return typeof value === "string"
    ? JSON.stringify(value)
    : inspect(value, { depth: 8, breakLength: 100, maxArrayLength: 200 });
}

function raise(text, msg) {
  throw new AssertionError(msg === undefined ? text : `${text}: ${msg}`);
}

export function assert(expr, msg = "") {
  if (!expr) throw new AssertionError(msg);
}

export function assertFalse(expr, msg = "") {
  if (expr) throw new AssertionError(msg);
}

export function assertEquals(actual, expected, msg) {
  if (isDeepStrictEqual(actual, expected)) return;
  try {
    nodeAssert.deepStrictEqual(actual, expected);
  } catch (error) {
    throw new AssertionError(msg === undefined ? error.message : `Values are not equal: ${msg}\n${error.message}`);
  }
}

export function assertNotEquals(actual, expected, msg) {
  if (isDeepStrictEqual(actual, expected)) raise(`Expected actual: ${show(actual)} not to be: ${show(expected)}`, msg);
}

export function assertStrictEquals(actual, expected, msg) {
  if (!Object.is(actual, expected)) raise(`Values are not strictly equal: ${show(actual)} and ${show(expected)}`, msg);
}

export function assertNotStrictEquals(actual, expected, msg) {
  if (Object.is(actual, expected)) raise(`Expected "actual" to not be strictly equal to: ${show(actual)}`, msg);
}

export function assertExists(actual, msg) {
  if (actual === undefined || actual === null) raise(`Expected actual: "${actual}" to not be null or undefined`, msg);
}

export function assertGreater(actual, expected, msg) {
  if (!(actual > expected)) raise(`Expect ${show(actual)} > ${show(expected)}`, msg);
}

export function assertGreaterOrEqual(actual, expected, msg) {
  if (!(actual >= expected)) raise(`Expect ${show(actual)} >= ${show(expected)}`, msg);
}

export function assertLess(actual, expected, msg) {
  if (!(actual < expected)) raise(`Expect ${show(actual)} < ${show(expected)}`, msg);
}

export function assertLessOrEqual(actual, expected, msg) {
  if (!(actual <= expected)) raise(`Expect ${show(actual)} <= ${show(expected)}`, msg);
}

export function assertAlmostEquals(actual, expected, tolerance, msg) {
  if (Object.is(actual, expected)) return;
  const allowed = tolerance ?? (Number.isFinite(expected) ? Math.abs(expected * 1e-7) : 1e-7);
  if (!(Math.abs(expected - actual) <= allowed)) {
    raise(`Expected actual: "${actual}" to be close to "${expected}" (tolerance ${allowed})`, msg);
  }
}

export function assertMatch(actual, expected, msg) {
  if (!expected.test(actual)) raise(`Expected actual: ${show(actual)} to match: "${expected}"`, msg);
}

export function assertNotMatch(actual, expected, msg) {
  if (expected.test(actual)) raise(`Expected actual: ${show(actual)} to not match: "${expected}"`, msg);
}

export function assertStringIncludes(actual, expected, msg) {
  if (!actual.includes(expected)) raise(`Expected actual: ${show(actual)} to contain: ${show(expected)}`, msg);
}

export function assertArrayIncludes(actual, expected, msg) {
  const list = Array.from(actual);
  const missing = Array.from(expected).filter((wanted) => !list.some((value) => isDeepStrictEqual(value, wanted)));
  if (missing.length > 0)
    raise(`Expected actual: ${show(actual)} to include: ${show(expected)}; missing: ${show(missing)}`, msg);
}

function picks(actual, expected) {
  if (expected === null || typeof expected !== "object" || actual === null || typeof actual !== "object") {
    return isDeepStrictEqual(actual, expected);
  }
  if (Array.isArray(expected) !== Array.isArray(actual)) return false;
  const keys = Reflect.ownKeys(expected);
  if (keys.length === 0 || ArrayBuffer.isView(expected) || expected instanceof Map || expected instanceof Set) {
    return keys.length === 0 && Object.getPrototypeOf(expected) === Object.prototype
      ? true
      : isDeepStrictEqual(actual, expected);
  }
  return keys.every((key) => picks(actual[key], expected[key]));
}

export function assertObjectMatch(actual, expected, msg) {
  if (!picks(actual, expected)) raise(`Expected actual: ${show(actual)} to match: ${show(expected)}`, msg);
}

export function assertInstanceOf(actual, expectedType, msg) {
  if (!(actual instanceof expectedType))
    raise(`Expected object to be an instance of "${expectedType.name}" but was ${show(actual)}`, msg);
}

export function assertNotInstanceOf(actual, unexpectedType, msg) {
  if (actual instanceof unexpectedType) raise(`Expected object to not be an instance of "${unexpectedType.name}"`, msg);
}

export function assertIsError(error, errorClass, msgMatches, msg) {
  if (!(error instanceof Error)) raise(`Expected "error" to be an Error object but was ${show(error)}`, msg);
  if (errorClass && !(error instanceof errorClass)) {
    raise(`Expected error to be instance of "${errorClass.name}", but was "${error.constructor.name}": ${error.message}`, msg);
  }
  if (typeof msgMatches === "string" && !error.message.includes(msgMatches)) {
    raise(`Expected error message to include ${show(msgMatches)}, but got ${show(error.message)}`, msg);
  }
  if (msgMatches instanceof RegExp && !msgMatches.test(error.message)) {
    raise(`Expected error message to match ${msgMatches}, but got ${show(error.message)}`, msg);
  }
}

function thrownArguments(errorClassOrMsg, msgIncludesOrMsg, msg) {
  if (typeof errorClassOrMsg === "string") return { errorClass: undefined, includes: undefined, msg: errorClassOrMsg };
  return { errorClass: errorClassOrMsg, includes: msgIncludesOrMsg, msg };
}

export function assertThrows(fn, errorClassOrMsg, msgIncludesOrMsg, msg) {
  const wanted = thrownArguments(errorClassOrMsg, msgIncludesOrMsg, msg);
  try {
    fn();
  } catch (caught) {
    if (wanted.errorClass !== undefined || caught instanceof Error)
      assertIsError(caught, wanted.errorClass, wanted.includes, wanted.msg);
    return caught;
  }
  return raise("Expected function to throw", wanted.msg);
}

export async function assertRejects(fn, errorClassOrMsg, msgIncludesOrMsg, msg) {
  const wanted = thrownArguments(errorClassOrMsg, msgIncludesOrMsg, msg);
  let promise;
  try {
    promise = fn();
  } catch (caught) {
    throw new AssertionError(`Function throws when expected to reject${wanted.msg === undefined ? "" : `: ${wanted.msg}`}`, {
      cause: caught,
    });
  }
  if (typeof promise?.then !== "function") raise("Expected function to return a promise", wanted.msg);
  try {
    await promise;
  } catch (caught) {
    if (wanted.errorClass !== undefined || caught instanceof Error)
      assertIsError(caught, wanted.errorClass, wanted.includes, wanted.msg);
    return caught;
  }
  return raise("Expected function to reject", wanted.msg);
}

export function equal(a, b) {
  return isDeepStrictEqual(a, b);
}

export function fail(msg) {
  return raise("Failed assertion", msg);
}

export function unreachable(msg) {
  return raise("Unreachable", msg);
}
