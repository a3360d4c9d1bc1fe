// How the embedded server is set up: durable first, then for a small machine that everything else runs on too.

export interface ServerChoice {
  readonly port: number;
  /** Off only in tests: a server that is killed then loses its last commits, unless `synchronous_commit` is set again. */
  readonly fsync: boolean;
  readonly settings: Readonly<Record<string, string>>;
}

/** Command-line arguments of the server. */
export function serverArguments(clusterDir: string, choice: ServerChoice): string[] {
  const durable = choice.fsync ? "on" : "off";
  const settings: Record<string, string> = {
    listen_addresses: "127.0.0.1",
    port: String(choice.port),
    unix_socket_directories: "",
    max_connections: "100",
    fsync: durable,
    synchronous_commit: durable,
    full_page_writes: durable,
    // No lz4 in the binaries; pglz costs little, since a page is written whole only once between checkpoints.
    wal_compression: "pglz",
    shared_buffers: "256MB",
    max_wal_size: "2GB",
    checkpoint_timeout: "15min",
    random_page_cost: "1.1",
    // Plans here are short; compiling one costs more than running it.
    jit: "off",
    // Lease rows are rewritten by every commit: frequent small rounds keep their pages from growing.
    autovacuum_naptime: "10s",
    autovacuum_vacuum_scale_factor: "0.05",
    timezone: "UTC",
    log_timezone: "UTC",
    logging_collector: "off",
    log_destination: "stderr",
    // Above ERROR: a duplicate key is an answer to its client, not news; the server's own faults stay in.
    log_min_messages: "log",
    log_checkpoints: "off",
    ...choice.settings,
  };
  return ["-D", clusterDir, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])];
}
