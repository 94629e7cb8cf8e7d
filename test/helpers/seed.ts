/**
 * Where random tests begin: `ZKDB_SEED`, or anywhere. A test that uses it says it, so that a failure can be repeated.
 */
export const seed = Number(process.env.ZKDB_SEED ?? Math.floor(Math.random() * 2 ** 31))
