/** Begins to write a result and never ends it; for a test that sends signals. The argument is the path. */

import process from "node:process";
import { writeResult } from "../../cli/output_file.ts";
import { fromLatin1 } from "../../lib/base/bytes.ts";

setInterval(() => {}, 1000);
await writeResult(process.argv[2], async (write) => {
  await write(fromLatin1("half"));
  process.stdout.write("half\n");
  await new Promise(() => {});
});
