/** Makes ready what `npm run check` runs. */

import { setUpDevelopment } from "./setup.mjs";

setUpDevelopment();
