/** Units of sizes. */

export const KIB = 1024;
export const MIB = 1048576;
export const GIB = 1073741824;
