/**
 * What zkdb has to reach, by row: `ratio` times the best peer's speed (of one partition), or a bound for the figure
 * itself. The floors are the least that the design had to show, against lmdb alone.
 */
export const targets = {
  'load-sequential': { ratio: 1.5 },
  'load-random': { ratio: 2 },
  'load-random-durable': { ratio: 1.7 },
  'commit-sync': { ratio: 1.25 },
  'commit-async': { ratio: 1.6 },
  'concurrent-puts': { ratio: 10 },
  'get-hit': { ratio: 2.3 },
  'get-miss': { ratio: 1.2 },
  'get-many': { ratio: 7 },
  'scan-forward': { ratio: 5 },
  'scan-reverse': { ratio: 5 },
  'scan-packed': { ratio: 15 },
  'range-100': { ratio: 6 },
  overwrite: { ratio: 2.5 },
  'ycsb-a': { ratio: 2.5 },
  'ycsb-b': { ratio: 2 },
  'ycsb-c': { ratio: 1.8 },
  'ycsb-e': { ratio: 5 },
  'ycsb-f': { ratio: 2.5 },
  'threads-read-scaling': { atLeast: 1.9 },
  'open-get': { ratio: 1 },
  'files-load': { atMost: 1.2 },
  'files-load-compact': { atMost: 1.1 }
}

/** The least speed of 16 partitions against one. */
export const partitionTargets = {
  'partitions-load-sequential': { ratio: 0.85 },
  'partitions-load-random': { ratio: 0.85 },
  'partitions-load-random-durable': { ratio: 0.85 },
  'partitions-get-hit': { ratio: 0.85 },
  'partitions-get-miss': { ratio: 0.85 },
  'partitions-get-many': { ratio: 0.85 }
}

/** `--floor`: the ratio to lmdb that the design has to show at least. */
export const floors = {
  'get-hit': 1.5,
  'load-random': 3,
  'load-random-durable': 10,
  'concurrent-puts': 5,
  'scan-forward': 3
}
