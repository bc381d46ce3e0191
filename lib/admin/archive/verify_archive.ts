/** Reads all of an archive: every part as far as it can be read, and which records are missing between them. */

import { FlareError } from "../../base/errors.ts";
import { type ArchiveFiles, type ArchiveIndex, type ArchiveProblem, readPart, type StoredPart } from "./archive_index.ts";

/** Everything that is wrong; `onPart` is for the progress. @throws FlareError IO_ERROR */
export async function archiveProblems(files: ArchiveFiles, index: ArchiveIndex, onPart: () => void): Promise<ArchiveProblem[]> {
  const problems = [...index.problems];
  for (const log of index.logs.values()) {
    for (const part of log.parts) {
      const problem = await problemOf(files, part);
      if (problem !== undefined) problems.push({ path: part.path, problem });
      onPart();
    }
    for (const [first, last] of log.gaps) {
      const problem = `changes ${first} to ${last} of the log ${log.history} of "${log.node}" are missing`;
      problems.push({ path: log.parts.findLast((part) => part.firstSequence <= first)?.path ?? "", problem });
    }
  }
  return problems;
}

async function problemOf(files: ArchiveFiles, part: StoredPart): Promise<string | undefined> {
  let next = part.firstSequence;
  try {
    await readPart(files, part, ({ sequence }) => sequence === next++);
  } catch (error) {
    if (error instanceof FlareError && error.code === "CORRUPT") return error.message;
    throw error;
  }
  const records = next - part.firstSequence;
  return records === part.records ? undefined : `"${part.path}" has ${records} changes in a row instead of ${part.records}`;
}
