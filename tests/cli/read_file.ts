/** Prints a file; for a test of pipes. The argument is the path. */

import { createReadStream } from "node:fs";
import process from "node:process";

createReadStream(process.argv[2] ?? "").pipe(process.stdout);
