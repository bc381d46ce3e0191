/** Figures that are asked for as long as their view is there. */

import { useEffect, useState } from "preact/hooks";
import { ApiError } from "../api.ts";

const REFRESH_MS = 5000;

/**
 * The newest answer, undefined before the first one, and why the last question had none.
 * @param begin begins to ask, and returns what asks each time
 */
export function useRefreshed<T>(begin: () => () => Promise<T>): { value: T | undefined; error: string | undefined } {
  const [value, setValue] = useState<T>();
  const [error, setError] = useState<string>();
  useEffect(() => {
    const ask = begin();
    let isGone = false;
    const refresh = async (): Promise<void> => {
      try {
        const answer = await ask();
        if (isGone) return;
        setValue(answer);
        setError(undefined);
      } catch (failure) {
        if (!(failure instanceof ApiError)) throw failure;
        if (!isGone) setError(failure.message);
      }
    };
    void refresh();
    const timer = setInterval(() => void refresh(), REFRESH_MS);
    return () => {
      isGone = true;
      clearInterval(timer);
    };
    // A view asks the same as long as it is there.
  }, []);
  return { value, error };
}
