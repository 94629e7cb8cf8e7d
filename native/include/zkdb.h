/*
 * zkdb.h: the C interface of zkdb, and the only door to its core. The Node addon, libzkdb.so, the tools and every
 * language binding come in through here.
 *
 * Conventions
 *  - Handles are opaque. Every handle that a function gives out is released by the function named beside it.
 *  - Byte strings are a pointer and a length; they are copied or used during the call and never kept.
 *    A null pointer is allowed where the length is 0.
 *  - A function that can fail returns a zkdb_code and fills the caller's zkdb_error (which may be NULL). ZKDB_OK is 0.
 *    ZKDB_NOT_FOUND is an answer, not a failure: it leaves the zkdb_error untouched.
 *  - No C++ type and no exception crosses this interface; running out of memory gives ZKDB_NO_MEMORY.
 *  - A zkdb_db may be used by any number of threads at once. A cursor or transaction belongs to one thread at a time.
 *  - Closing a database with open cursors, snapshots or transactions is allowed: later calls on them give ZKDB_CLOSED,
 *    and each must still be released.
 *  - Structs given to the library start with no size field: they only grow at the end together with ZKDB_ABI_VERSION,
 *    which zkdb_abi_version() lets a caller check.
 */
#ifndef ZKDB_H
#define ZKDB_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ZKDB_ABI_VERSION 2

#if defined(_WIN32)
#define ZKDB_EXPORT __declspec(dllexport)
#else
#define ZKDB_EXPORT __attribute__((visibility("default")))
#endif

/* ---- limits ---------------------------------------------------------------------------------------------------- */

#define ZKDB_MAX_PARTITIONS 256
#define ZKDB_MAX_KEY_SIZE 65535u        /* bytes */
#define ZKDB_MAX_VALUE_SIZE 1073741824u /* bytes, 1 GiB */
#define ZKDB_MAX_BATCH_SIZE 2130706432u /* bytes of one packed batch, 2 GiB less 16 MiB */

/* ---- codes: stable, never renumbered --------------------------------------------------------------------------- */

typedef enum zkdb_code {
  ZKDB_OK = 0,
  ZKDB_NOT_FOUND = 1,        /* the key is not in the database */
  ZKDB_BUFFER_TOO_SMALL = 2, /* the answer does not fit; the needed size is reported */
  ZKDB_INVALID = 10,         /* an argument is out of its range or of the wrong form */
  ZKDB_KEY_TOO_LARGE = 11,
  ZKDB_VALUE_TOO_LARGE = 12,
  ZKDB_BATCH_TOO_LARGE = 13,
  ZKDB_CLOSED = 14,          /* the database or handle is closed */
  ZKDB_READ_ONLY = 15,       /* opened read-only, or the file system refuses writes */
  ZKDB_CONFIG = 20,          /* the configuration is wrong; nothing was touched */
  ZKDB_LOCKED = 21,          /* another process has the database open; the message names its pid */
  ZKDB_EXISTS = 22,          /* open was told to create, and the database is there */
  ZKDB_MISSING = 23,         /* open was told not to create, and the database is not there */
  ZKDB_CORRUPT = 30,         /* bytes on disk are not what was written; the message names file and page */
  ZKDB_NOT_ZKDB = 31,        /* a file that is there is not one of ours */
  ZKDB_VERSION = 32,         /* written by a newer format version */
  ZKDB_SEGMENT_MISSING = 33, /* a segment file is gone or shorter than the meta says */
  ZKDB_MISMATCH = 34,        /* files of different databases, or of different times, lie together */
  ZKDB_IO = 40,              /* a system call failed */
  ZKDB_NO_SPACE = 41,        /* the disk is full; reads go on, writes work again once there is room */
  ZKDB_NO_MEMORY = 42,
  ZKDB_FAILED = 43,           /* an earlier write or sync failed: writes are refused until the database is reopened */
  ZKDB_SNAPSHOT_EXPIRED = 50, /* the snapshot passed SnapshotLimit, or a server has lost its part of it */
  ZKDB_CROSS_PARTITION = 51,  /* a batch spans isolated partitions and the caller did not allow it to be non-atomic */
  ZKDB_REMOTE = 52,           /* not available on a remote partition */
  ZKDB_ABORTED = 53,          /* a progress callback asked to stop */
  ZKDB_UNREACHABLE = 60,      /* remote: no connection to the server, or it was lost; the call changed nothing there */
  ZKDB_UNKNOWN_OUTCOME = 61,  /* remote: a write was sent and no answer came: it was carried out, or not */
  ZKDB_TIMEOUT = 62,          /* remote: no answer to a read within ReplyTimeout; the call changed nothing */
  ZKDB_AUTH = 63,             /* remote: the server refuses the login, or what the user may not do */
  ZKDB_PROTOCOL = 64,         /* remote: the server sent bytes that are no reply, or a reply above the limits */
  ZKDB_SERVER = 65            /* remote: the server's own error, in its words */
} zkdb_code;

typedef struct zkdb_error {
  zkdb_code code;
  int urgent;         /* 1: open/close failed or the database needs recovery; 0: regular */
  char message[1024]; /* UTF-8, always terminated; cut at a character boundary when longer */
} zkdb_error;

typedef enum zkdb_durability {
  ZKDB_DURABILITY_DEFAULT = 0,  /* what the database was opened with */
  ZKDB_DURABILITY_COMMIT = 1,   /* acknowledged = on stable storage */
  ZKDB_DURABILITY_INTERVAL = 2, /* in the log file at commit, synced every SyncInterval ms; kill -9 loses nothing */
  ZKDB_DURABILITY_NONE = 3      /* loses at most what came after the last checkpoint or sync; never torn */
} zkdb_durability;

typedef struct zkdb_db zkdb_db;
typedef struct zkdb_options zkdb_options;
typedef struct zkdb_snapshot zkdb_snapshot;
typedef struct zkdb_cursor zkdb_cursor;
typedef struct zkdb_txn zkdb_txn;
typedef struct zkdb_router zkdb_router;

ZKDB_EXPORT uint32_t zkdb_abi_version(void);
/* The clock by which records end: the wall clock of this machine, ms since 1970. */
ZKDB_EXPORT uint64_t zkdb_clock(void);
ZKDB_EXPORT const char *zkdb_version(void);
/* "ZKDB_CORRUPT" for ZKDB_CORRUPT, and so on; "ZKDB_UNKNOWN" for a number that is no code. */
ZKDB_EXPORT const char *zkdb_code_name(zkdb_code code);

/* ---- open and close -------------------------------------------------------------------------------------------- */

ZKDB_EXPORT zkdb_code zkdb_options_create(zkdb_options **out);
ZKDB_EXPORT void zkdb_options_destroy(zkdb_options *options);

/*
 * Sets one option by name. Names of the `[main]` section of a configuration file work here and override the file:
 * PageSize (bytes, power of two 4096..65536, at creation), SegmentSize (bytes, power of two, 64 KiB..2 GiB, at
 * creation), LogFileSize, MinCheckpointSize (bytes of log or changed pages), MinCheckpointTime (seconds),
 * CheckPoints (Yes/No), Durability (commit|interval|none), SyncInterval (ms),
 * SnapshotLimit (bytes pinned by an old snapshot, 0 = none),
 * VerifyAll (Yes: check the whole tree at each commit; for tests).
 * And for open itself: Partitions (a count, 1..256, for a directory that is new), CreateIfMissing (Yes/No, default
 * Yes), ErrorIfExists (Yes/No, default No), ReadOnly (Yes/No).
 * A size may end in K, M or G. An unknown name or a bad value is ZKDB_CONFIG and names both.
 */
ZKDB_EXPORT zkdb_code zkdb_options_set(zkdb_options *options, const char *name, const char *value, zkdb_error *err);

/* Called now and then during long work with what is done of a total (0: unknown). Return non-zero to stop. */
typedef int (*zkdb_progress)(void *context, uint64_t done, uint64_t total);

/*
 * Has an open tell how far its recovery is, every MiB and at the end: bytes of the logs, replayed and of their files;
 * at the end both are what was replayed. Stopped, the open gives ZKDB_ABORTED, and the next one begins anew. Called on
 * the thread of zkdb_open, and only by an open that has something to recover.
 */
ZKDB_EXPORT void zkdb_options_on_recovery(zkdb_options *options, zkdb_progress progress, void *context);

/*
 * Speaks TLS for remote partitions whose address is zkdbs://, which the library does not: gets one end of a pair of
 * connected, non-blocking stream sockets, which it becomes the owner of, for each connection. From there comes a RESP
 * array of strings, `TLS host port server-name authority certificate key`: what the certificate must be for ("": the
 * host) and paths of PEM files ("": the authorities of the system, no certificate of the client). The answer is `+OK`
 * when TLS 1.3 or later is agreed on and the certificate verified, and from then on everything is passed on both ways;
 * or `-` with the name of a code, a blank and a reason, and the end. Called on any thread that waits for a server, and
 * must not wait itself. Non-zero: it takes no more.
 */
typedef int (*zkdb_tls_relay)(void *context, int socket);

/*
 * Gives an open its relay, which it may call until the database and its cursors are closed. Without one an open of a
 * database with such a partition is ZKDB_CONFIG. The Node package has a relay; C programs may bring one.
 */
ZKDB_EXPORT void zkdb_options_tls_relay(zkdb_options *options, zkdb_tls_relay relay, void *context);

/*
 * Opens a database. `path` is a configuration file, or a directory: in a directory the configuration is its file
 * `zkdb.conf`, which is written when the directory is new (Partitions hashed partitions, default 1).
 * Within a process every open of the same path shares one engine. A remote partition's server is connected to when it
 * is needed; each handle has connections of its own. Release with zkdb_close.
 */
ZKDB_EXPORT zkdb_code zkdb_open(const char *path, const zkdb_options *options, zkdb_db **out, zkdb_error *err);

/* Writes a checkpoint and closes when this was the last handle on the engine. The handle is released in any case.
 * ZKDB_FAILED after an earlier failed write or sync: what was not durable by then may be lost. */
ZKDB_EXPORT zkdb_code zkdb_close(zkdb_db *db, zkdb_error *err);

/* ---- reading --------------------------------------------------------------------------------------------------- */

/*
 * Copies the value of `key` into `buffer` and sets *size. snapshot NULL: the latest state.
 * ZKDB_NOT_FOUND; ZKDB_BUFFER_TOO_SMALL with *size the needed size and nothing copied.
 */
ZKDB_EXPORT zkdb_code zkdb_get(zkdb_db *db, zkdb_snapshot *snapshot, const void *key, size_t key_size, void *buffer,
                               size_t capacity, size_t *size, zkdb_error *err);

/*
 * Looks up `count` keys with interleaved descents, all in the same state. Key i is keys[offsets[i] .. offsets[i + 1]).
 * Values are appended to `buffer`; sizes[i] is the size of value i, or UINT32_MAX when the key is not there.
 * *done is how many keys were answered: less than count only with ZKDB_BUFFER_TOO_SMALL, and then *needed is the size
 * of the next value; call again with the rest (and with a snapshot, where the answers must be of one state).
 * Each remote partition is read at a state of its own; all servers are asked before the first answer is waited for.
 * When one cannot be reached, *done is how many keys before the first one of it were answered.
 */
ZKDB_EXPORT zkdb_code zkdb_get_many(zkdb_db *db, zkdb_snapshot *snapshot, const void *keys, const uint32_t *offsets,
                                    uint32_t count, void *buffer, size_t capacity, uint32_t *sizes, uint32_t *done,
                                    size_t *needed, zkdb_error *err);

/* Sets *time to when the record of `key` ends, 0 for never. ZKDB_NOT_FOUND. */
ZKDB_EXPORT zkdb_code zkdb_expiry(zkdb_db *db, zkdb_snapshot *snapshot, const void *key, size_t key_size,
                                  uint64_t *time, zkdb_error *err);

/* ---- writing --------------------------------------------------------------------------------------------------- */

/*
 * A batch is operations one after another, little-endian, unaligned:
 *
 *   offset  size  meaning
 *   0       1     kind (zkdb_op)
 *   1       1     flags: for ZKDB_OP_DELETE_RANGE a zkdb_range_flag set, for puts a zkdb_put_flag, for ZKDB_OP_EXPIRE
 *                 a zkdb_expire_flag set, else 0
 *   2       2     key size k
 *   4       4     value size v
 *   8       k     key (DELETE_RANGE: the lower bound; empty = from the start)
 *   8+k     v     value (DELETE_RANGE: the upper bound, used with ZKDB_RANGE_HAS_HI; PUT_IF_VALUE: u32 size of the
 *                 expected value, the expected value, the new value; DELETE_IF_VALUE: the expected value; other
 *                 deletes: empty; EXPIRE: the time, then 8 bytes that are not read)
 *
 * A time is 8 bytes: the wall clock in ms since 1970 at which a record ends, 0 for never. From then on the record is
 * not there for any call, and some time later the engine removes it. A put without a flag makes a record that never
 * ends. ZKDB_OP_EXPIRE gives the record that is there a new time; `existed` counts it when it did.
 */
typedef enum zkdb_op {
  ZKDB_OP_PUT = 1,
  ZKDB_OP_DELETE = 2,
  ZKDB_OP_DELETE_RANGE = 3,
  ZKDB_OP_PUT_IF_ABSENT = 4,
  ZKDB_OP_PUT_IF_PRESENT = 5,
  ZKDB_OP_PUT_IF_VALUE = 6,
  ZKDB_OP_DELETE_IF_VALUE = 7,
  ZKDB_OP_EXPIRE = 8
} zkdb_op;
#define ZKDB_OP_HEADER_SIZE 8u

typedef enum zkdb_range_flag {
  ZKDB_RANGE_HAS_HI = 1,       /* there is an upper bound */
  ZKDB_RANGE_LO_EXCLUSIVE = 2, /* gt, not gte */
  ZKDB_RANGE_HI_INCLUSIVE = 4  /* lte, not lt */
} zkdb_range_flag;

typedef enum zkdb_put_flag {
  ZKDB_PUT_EXPIRES = 1, /* the new value begins with its record's time, which is not part of it */
  ZKDB_PUT_KEEPS_TIME =
      2 /* the record keeps the time of the one it replaces; the new value begins with 8 bytes that are
                             not read and not part of it. Not for ZKDB_OP_PUT_IF_ABSENT */
} zkdb_put_flag;
#define ZKDB_TIME_SIZE 8u

typedef enum zkdb_expire_flag {
  ZKDB_EXPIRE_IF_NONE = 1,   /* only a record that never ends */
  ZKDB_EXPIRE_IF_ANY = 2,    /* only a record that ends */
  ZKDB_EXPIRE_IF_LATER = 4,  /* only to a later time; never is later than any other */
  ZKDB_EXPIRE_IF_EARLIER = 8 /* only to an earlier time */
} zkdb_expire_flag;

typedef enum zkdb_write_flag {
  ZKDB_WRITE_NON_ATOMIC = 1 /* allow a batch over isolated partitions, or over servers, to commit part by part */
} zkdb_write_flag;

typedef struct zkdb_write_result {
  uint64_t sequence;    /* the commit's number; 0 when nothing was written */
  uint64_t existed;     /* how many operations found their key present (ranges: records deleted) */
  int64_t failed_index; /* the first operation whose condition failed (then nothing was written), or -1 */
} zkdb_write_result;

/*
 * Applies a batch as one transaction: all or nothing, in order. Conditions are checked against the state before the
 * batch. Returns when the batch is as durable as `durability` says. `result` may be NULL.
 * ZKDB_INVALID names the operation that is malformed. After ZKDB_NO_SPACE nothing of the batch is applied.
 * Remote partitions commit by themselves: a batch that spans one and something else is ZKDB_CROSS_PARTITION without
 * ZKDB_WRITE_NON_ATOMIC, and with it each part has its own conditions and its own outcome. ZKDB_UNREACHABLE: the server
 * changed nothing. ZKDB_UNKNOWN_OUTCOME: the connection was lost between sending and the answer; nothing is sent twice.
 */
ZKDB_EXPORT zkdb_code zkdb_write(zkdb_db *db, const void *batch, size_t size, zkdb_durability durability,
                                 uint32_t write_flags, zkdb_write_result *result, zkdb_error *err);

/* Removes the records that have ended, all of them, as the engine does in the background. `removed`, how many, may be
 * NULL. */
ZKDB_EXPORT zkdb_code zkdb_sweep(zkdb_db *db, uint64_t *removed, zkdb_error *err);

/* Told of a record that is removed because it has ended: its key, valid during the call. */
typedef void (*zkdb_expired_sink)(void *context, const void *key, size_t key_size);

/*
 * Has this handle told of the records of local partitions that are removed because they have ended, by zkdb_sweep and
 * in the background; a `sink` of NULL: no more. It is not told of one that was overwritten, deleted or given another
 * time before it was removed. It is called on the thread that sweeps, before a later write of the key returns; other
 * writes wait meanwhile: it is to be quick, and must not call a function of this interface with the database.
 * A power failure may bring the record back, unseen, to be removed and told of again. When this function or zkdb_close
 * returns, the sink that there was before does not run, and is not called any more.
 */
ZKDB_EXPORT zkdb_code zkdb_on_expired(zkdb_db *db, zkdb_expired_sink sink, void *context, zkdb_error *err);

/* Makes every commit so far durable. */
ZKDB_EXPORT zkdb_code zkdb_sync(zkdb_db *db, zkdb_error *err);

/* ---- transactions ---------------------------------------------------------------------------------------------- */

/* A read-write transaction over local partitions. While it is open other writers wait; readers do not.
 * ZKDB_REMOTE for a database with a remote partition.
 * Release with zkdb_txn_commit or zkdb_txn_abort, on success and on failure alike. */
ZKDB_EXPORT zkdb_code zkdb_txn_begin(zkdb_db *db, zkdb_txn **out, zkdb_error *err);
ZKDB_EXPORT zkdb_code zkdb_txn_get(zkdb_txn *txn, const void *key, size_t key_size, void *buffer, size_t capacity,
                                   size_t *size, zkdb_error *err);
ZKDB_EXPORT zkdb_code zkdb_txn_expiry(zkdb_txn *txn, const void *key, size_t key_size, uint64_t *time, zkdb_error *err);
ZKDB_EXPORT zkdb_code zkdb_txn_write(zkdb_txn *txn, const void *batch, size_t size, zkdb_write_result *result,
                                     zkdb_error *err);
ZKDB_EXPORT zkdb_code zkdb_txn_commit(zkdb_txn *txn, zkdb_durability durability, zkdb_write_result *result,
                                      zkdb_error *err);
ZKDB_EXPORT void zkdb_txn_abort(zkdb_txn *txn);

/* ---- snapshots and scans --------------------------------------------------------------------------------------- */

/* Pins the latest committed state: one cut of all local partitions, and a state of each remote one, whose servers are
 * asked at once and waited for. Records end in it all the same. Where a server could not be reached, reads of its keys
 * with the snapshot say so; where its part was lost since, they are ZKDB_SNAPSHOT_EXPIRED: with the connection, or when
 * nothing was read with the snapshot for a minute. Any number of threads may read with it. Release with
 * zkdb_snapshot_close. */
ZKDB_EXPORT zkdb_code zkdb_snapshot_open(zkdb_db *db, zkdb_snapshot **out, zkdb_error *err);
/* As zkdb_snapshot_open, but of the local partitions alone, for look-ups of their keys: no server is waited for. Keys
 * of remote partitions are read at their latest state. A cursor with it is ZKDB_INVALID. */
ZKDB_EXPORT zkdb_code zkdb_snapshot_open_local(zkdb_db *db, zkdb_snapshot **out, zkdb_error *err);
ZKDB_EXPORT void zkdb_snapshot_close(zkdb_snapshot *snapshot);
ZKDB_EXPORT uint64_t zkdb_snapshot_sequence(const zkdb_snapshot *snapshot);

typedef struct zkdb_range {
  const void *lo;
  size_t lo_size;
  const void *hi;
  size_t hi_size;
  uint32_t flags; /* zkdb_range_flag set; an empty inclusive lo is the start of the database */
} zkdb_range;

typedef enum zkdb_scan_flag {
  ZKDB_SCAN_REVERSE = 1,
  ZKDB_SCAN_NO_KEYS = 2,
  ZKDB_SCAN_NO_VALUES = 4,
  ZKDB_SCAN_UNORDERED = 8, /* partition after partition instead of merged */
  ZKDB_SCAN_PARTIAL = 16,  /* a remote partition that fails is left out: zkdb_cursor_missing tells of it */
  ZKDB_SCAN_PIN_LATER = 32 /* remote partitions are read at their states of the first zkdb_cursor_next, unless there is
                              a snapshot; the call that opens the cursor waits for no server then */
} zkdb_scan_flag;

/*
 * Opens a cursor over `range` (NULL: everything). snapshot NULL pins one of its own, for which servers of remote
 * partitions are waited for; txn non-NULL reads the transaction's own state instead and must be closed before it ends.
 * Release with zkdb_cursor_close.
 */
ZKDB_EXPORT zkdb_code zkdb_cursor_open(zkdb_db *db, zkdb_snapshot *snapshot, zkdb_txn *txn, const zkdb_range *range,
                                       uint32_t scan_flags, zkdb_cursor **out, zkdb_error *err);

/*
 * Packs up to `max_records` records into `buffer`, each as u32 key size, u32 value size, key, value (little-endian,
 * unaligned). Sets *used (bytes), *count (records) and *done (1: the range is exhausted).
 * ZKDB_BUFFER_TOO_SMALL when not even the next record fits; *used is then the size it needs.
 */
ZKDB_EXPORT zkdb_code zkdb_cursor_next(zkdb_cursor *cursor, void *buffer, size_t capacity, uint32_t max_records,
                                       size_t *used, uint32_t *count, int *done, zkdb_error *err);

/* 1 when the cursor's range may have records in a remote partition, so that zkdb_cursor_next may wait for a server;
 * else 0. */
ZKDB_EXPORT int zkdb_cursor_is_remote(const zkdb_cursor *cursor);

/* What a cursor with ZKDB_SCAN_PARTIAL could not read: the keys of its range that belong to `partition`, and of these
 * the ones behind `from` in the cursor's direction, or all of them when `from` is NULL. */
typedef struct zkdb_missing {
  uint32_t partition;
  zkdb_code code;
  const void *from; /* valid until the cursor's next call */
  size_t from_size;
  char message[1024];
} zkdb_missing;

/* The `index`th part that is missing from what the cursor gave so far; ZKDB_NOT_FOUND when there are fewer. A seek asks
 * every partition again and begins with none missing. */
ZKDB_EXPORT zkdb_code zkdb_cursor_missing(const zkdb_cursor *cursor, uint32_t index, zkdb_missing *out);

/* Moves to the first record at or after `key` in the cursor's direction, within its range. */
ZKDB_EXPORT zkdb_code zkdb_cursor_seek(zkdb_cursor *cursor, const void *key, size_t key_size, zkdb_error *err);
ZKDB_EXPORT void zkdb_cursor_close(zkdb_cursor *cursor);

/* ---- partitions and figures ------------------------------------------------------------------------------------ */

typedef struct zkdb_partition_info {
  char name[256];
  uint32_t index;
  int is_remote;
  char directory[1024]; /* local: where its segments are; remote: the address of its server */
  char rule[512];       /* how keys are routed to it, for a person: "bytes 3..3 from k to p, without case" */
} zkdb_partition_info;

typedef struct zkdb_partition_stats {
  uint64_t records;
  uint32_t depth; /* levels of the tree, 0 when empty */
  uint32_t segments;
  uint64_t page_size;       /* bytes */
  uint64_t pages_allocated; /* file length in pages */
  uint64_t pages_free;      /* of these, holding nothing */
  uint64_t leaf_pages;      /* the five below are filled by zkdb_stats with ZKDB_STATS_FULL, else 0 */
  uint64_t branch_pages;
  uint64_t overflow_pages;
  uint64_t leaf_bytes_used; /* of leaf_pages * page_size */
  uint64_t branch_bytes_used;
  uint64_t dirty_pages;   /* changed since the last checkpoint */
  uint64_t last_sequence; /* last commit that changed it */
  uint64_t checkpoint_sequence;
  uint64_t expiring; /* of the records, those that end at some time; some may have ended and not be removed yet */
} zkdb_partition_stats;

typedef struct zkdb_db_stats {
  uint32_t partitions;
  uint64_t sequence;         /* last published commit */
  uint64_t durable_sequence; /* last commit known to be on stable storage */
  uint64_t log_bytes;        /* log written since the oldest checkpoint */
  uint64_t log_files;
  uint64_t log_syncs;   /* since open */
  uint64_t commits;     /* since open */
  uint64_t checkpoints; /* since open */
  uint64_t snapshots_open;
  uint64_t oldest_snapshot_age_ms;
  uint64_t pinned_bytes;      /* pages kept only for snapshots */
  uint64_t memory_bytes;      /* page frames, log buffers and tables; not the file maps */
  uint64_t recovered_records; /* log records replayed at open */
  uint64_t recovered_bytes;
  int failed;        /* 1: writes are refused until reopened */
  uint64_t expiring; /* records that end at some time, as in zkdb_partition_stats */
  uint64_t expired;  /* since open: records removed because they had ended */
} zkdb_db_stats;

typedef enum zkdb_stats_flag { ZKDB_STATS_FULL = 1 /* walk the tree for page counts and fill */ } zkdb_stats_flag;

ZKDB_EXPORT uint32_t zkdb_partition_count(const zkdb_db *db);
/* How many of them are remote. */
ZKDB_EXPORT uint32_t zkdb_remote_count(const zkdb_db *db);
/* 1: one of them is reached over TLS, through the relay. */
ZKDB_EXPORT int zkdb_uses_tls(const zkdb_db *db);
ZKDB_EXPORT zkdb_code zkdb_partition_describe(zkdb_db *db, uint32_t index, zkdb_partition_info *out, zkdb_error *err);
ZKDB_EXPORT uint32_t zkdb_partition_of(const zkdb_db *db, const void *key, size_t key_size);
/* Whether the server of a remote partition can be reached and takes the login; ZKDB_OK for a local partition. */
ZKDB_EXPORT zkdb_code zkdb_partition_probe(zkdb_db *db, uint32_t index, zkdb_error *err);
/* The hash slot of a key, 0..16383, as Redis Cluster defines it; DoHashing partitions are ranges of them. */
#define ZKDB_SLOT_COUNT 16384u
ZKDB_EXPORT uint32_t zkdb_key_slot(const void *key, size_t key_size);
/* Of the local partitions; `partitions` counts all of them. */
ZKDB_EXPORT zkdb_code zkdb_stats(zkdb_db *db, zkdb_db_stats *out, zkdb_error *err);
/* A remote partition's figures are the sums of those of the database on its server. */
ZKDB_EXPORT zkdb_code zkdb_stats_partition(zkdb_db *db, uint32_t index, uint32_t stats_flags, zkdb_partition_stats *out,
                                           zkdb_error *err);
/* Estimated records of `range` in one partition, from the shape of the tree: a few page reads. */
ZKDB_EXPORT zkdb_code zkdb_estimate(zkdb_db *db, uint32_t index, const zkdb_range *range, uint64_t *records,
                                    zkdb_error *err);
/* The logical name (`Database`) of the configuration. */
ZKDB_EXPORT const char *zkdb_name(const zkdb_db *db);

/* Routing alone: reads and checks a configuration file and touches nothing else. Release with zkdb_router_close. */
ZKDB_EXPORT zkdb_code zkdb_router_open(const char *config_path, zkdb_router **out, zkdb_error *err);
ZKDB_EXPORT uint32_t zkdb_router_partition_count(const zkdb_router *router);
ZKDB_EXPORT uint32_t zkdb_router_partition_of(const zkdb_router *router, const void *key, size_t key_size);
ZKDB_EXPORT zkdb_code zkdb_router_describe(const zkdb_router *router, uint32_t index, zkdb_partition_info *out,
                                           zkdb_error *err);
/* A key of [server] in the file (AddressPath, MaxConnections, ...), as it is given there; NULL when it is not. Valid
 * until zkdb_router_close. */
ZKDB_EXPORT const char *zkdb_router_server_key(const zkdb_router *router, const char *name);
ZKDB_EXPORT void zkdb_router_close(zkdb_router *router);

/* Called for a section of an INI file (`key` and `value` NULL; line 0: it has no header) and for each of its entries.
 * Texts are terminated, and valid during the call. */
typedef void (*zkdb_ini_sink)(void *context, uint32_t line, const char *section, const char *key, const char *value);

/*
 * Parses a text in the dialect of configuration files: sections in the order of the text, `main` first, each followed
 * by its entries. `file` stands in messages only. ZKDB_CONFIG, with file and line, before the sink is called.
 */
ZKDB_EXPORT zkdb_code zkdb_ini_parse(const void *text, size_t size, const char *file, zkdb_ini_sink sink, void *context,
                                     zkdb_error *err);

/* ---- operations ------------------------------------------------------------------------------------------------ */

/* A finding of zkdb_check or zkdb_salvage, or a line of zkdb_inspect. `size` bytes, not terminated. Return non-zero to
 * stop. */
typedef int (*zkdb_sink)(void *context, const char *text, size_t size);

/* Writes a checkpoint of every local partition that changed. */
ZKDB_EXPORT zkdb_code zkdb_checkpoint(zkdb_db *db, zkdb_error *err);
/* Turns periodic checkpoints on or off; the size limit (MinCheckpointSize) holds in any case. */
ZKDB_EXPORT zkdb_code zkdb_checkpoints_activate(zkdb_db *db, int on, zkdb_error *err);
/* Reads every page and checks checksums, order, levels, reachability, free space and routing. Each finding goes to
 * `sink`; ZKDB_CORRUPT when there was one. Servers check remote partitions themselves. */
ZKDB_EXPORT zkdb_code zkdb_check(zkdb_db *db, zkdb_sink sink, void *sink_context, zkdb_progress progress,
                                 void *progress_context, uint64_t *findings, zkdb_error *err);
/* Writes a consistent copy of the database into a directory that is new or empty, while it is in use. ZKDB_REMOTE for a
 * database with a remote partition, which is backed up where it is. */
ZKDB_EXPORT zkdb_code zkdb_backup(zkdb_db *db, const char *directory, zkdb_progress progress, void *context,
                                  zkdb_error *err);
/* Packs the records of local partitions into as few pages as they need and gives the rest of the files back. */
ZKDB_EXPORT zkdb_code zkdb_compact(zkdb_db *db, zkdb_progress progress, void *context, zkdb_error *err);

/*
 * Describes a segment or log file, read-only and without opening the database; decodes what it can of a damaged file.
 * `page` -1: the meta pages and a line per page (segment), or every record (log); else that page in full.
 * `as_json` non-zero: one JSON object per line.
 */
ZKDB_EXPORT zkdb_code zkdb_inspect(const char *file, int64_t page, int as_json, zkdb_sink sink, void *context,
                                   zkdb_error *err);

typedef struct zkdb_salvage_result {
  uint64_t records;        /* in the new database */
  uint64_t unsure_records; /* taken from pages that are not known to be in use: may be older ones, or deleted */
  uint64_t lost_records;   /* in intact pages, but a key or value of theirs lay in damaged overflow pages */
  uint64_t pages;          /* looked at */
  uint64_t lost_pages;     /* damaged, missing or old copies, and not known to be free */
  uint64_t log_commits;    /* taken from the log */
  uint64_t log_gaps;       /* places of the log at which commits are missing */
  uint64_t findings;       /* texts given to the sink; 0: nothing is lost */
} zkdb_salvage_result;

/*
 * Brings the records of a damaged database into a new one: those of every intact page that is in use, and the commits
 * of the log that came after. The source (a configuration file, or a directory with a zkdb.conf) is only read, and must
 * not be open anywhere; `destination` is a directory that is new or empty, and gets the same partitions. What is wrong
 * and what is lost goes to `sink`, file and page first; when it answers non-zero it is told no more, and the work goes
 * on. `progress` counts bytes. Success also when something is lost: `result` says how much.
 * ZKDB_LOCKED, ZKDB_CONFIG, ZKDB_MISSING, ZKDB_EXISTS, ZKDB_ABORTED; after those of writing the new database is
 * incomplete.
 */
ZKDB_EXPORT zkdb_code zkdb_salvage(const char *source, const char *destination, zkdb_sink sink, void *sink_context,
                                   zkdb_progress progress, void *progress_context, zkdb_salvage_result *result,
                                   zkdb_error *err);

#ifdef __cplusplus
}
#endif

#endif /* ZKDB_H */
