/**
 * The users of a server and their passwords in the format of memcached's -Y file: one `user:password` per line. Passwords leave
 * this module only to log in to other servers; comparisons take constant time. Pure.
 */

import { EMPTY_BYTES, latin1 } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";

/** Longest line, without its end, as in memcached. */
export const AUTH_LINE_BYTES_MAX = 255;
/** Most users of a file: memcached silently stops reading after 8. */
export const AUTH_USERS_MAX = 1024;

const LF = 0x0a;
const CR = 0x0d;
const COLON = 0x3a;

/** A name and its password, as latin-1 strings. */
export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** A word of a text login: no spaces, no control characters, latin-1. */
const WORD = /^[\x21-\xff]+$/;

/** Whether a name and password can be sent in memcached's text login, which is two words. */
export function isSayable({ user, password }: Credentials): boolean {
  return WORD.test(user) && WORD.test(password);
}

export class AuthFile {
  /** By user, padded to one length, so that a comparison does not reveal the length of a password. */
  readonly #passwords = new Map<string, { readonly text: string; readonly padded: Uint8Array }[]>();

  /** @throws FlareError INVALID_OPTION naming the file and the line */
  constructor(path: string, bytes: Uint8Array) {
    let number = 0;
    for (let at = 0; at < bytes.length; ) {
      number++;
      const lineFeed = bytes.indexOf(LF, at);
      const next = lineFeed < 0 ? bytes.length : lineFeed + 1;
      let end = lineFeed < 0 ? bytes.length : lineFeed;
      if (end > at && bytes[end - 1] === CR) end--;
      const wrong = (what: string) => new FlareError("INVALID_OPTION", `auth-file "${path}", line ${number}: ${what}`);
      if (end - at > AUTH_LINE_BYTES_MAX) throw wrong(`longer than ${AUTH_LINE_BYTES_MAX} bytes`);
      const line = bytes.subarray(at, end);
      const colon = line.indexOf(COLON);
      if (colon < 0) throw wrong('no ":", each line has to be user:password');
      if (colon === 0) throw wrong("the user has no name");
      if (colon === line.length - 1) throw wrong("the password is empty");
      if (line.includes(0)) throw wrong("it contains a zero byte");
      if (number > AUTH_USERS_MAX) throw wrong(`more than ${AUTH_USERS_MAX} users`);
      this.#add(latin1(line, 0, colon), line.subarray(colon + 1));
      at = next;
    }
    if (this.#passwords.size === 0) throw new FlareError("INVALID_OPTION", `auth-file "${path}" is empty`);
  }

  /** Whether this is one of the user's passwords. */
  verify(user: string, password: Uint8Array): boolean {
    const given = pad(password);
    let equal = 0;
    for (const { padded } of this.#passwords.get(user) ?? [NOBODY]) equal |= isEqual(padded, given);
    return equal === 1 && password.length > 0 && password.length <= AUTH_LINE_BYTES_MAX && this.#passwords.has(user);
  }

  /** The first password of a user, to log in to other servers. */
  credentialsOf(user: string): Credentials | undefined {
    const password = this.#passwords.get(user)?.[0]?.text;
    return password === undefined ? undefined : { user, password };
  }

  /** Every user, with the first password, in the order of the file. */
  get users(): Credentials[] {
    return [...this.#passwords.keys()].map((user) => this.credentialsOf(user) as Credentials);
  }

  /** A user with several lines has several passwords, so that one can be replaced while both are in use. */
  #add(user: string, password: Uint8Array): void {
    const passwords = this.#passwords.get(user) ?? [];
    passwords.push({ text: latin1(password), padded: pad(password) });
    this.#passwords.set(user, passwords);
  }
}

/** The password, then its length. */
function pad(password: Uint8Array): Uint8Array {
  const padded = new Uint8Array(AUTH_LINE_BYTES_MAX + 1);
  padded.set(password.subarray(0, AUTH_LINE_BYTES_MAX));
  padded[AUTH_LINE_BYTES_MAX] = password.length;
  return padded;
}

const NOBODY = { padded: pad(EMPTY_BYTES) };

/** 1 if both have the same bytes, else 0; always compares all of them. */
function isEqual(left: Uint8Array, right: Uint8Array): number {
  let difference = 0;
  for (let i = 0; i < left.length; i++) difference |= (left[i] as number) ^ (right[i] as number);
  return difference === 0 ? 1 : 0;
}
