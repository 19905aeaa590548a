// Image messages of inventory.proto, stats.proto, time.proto:
// in the notation of ../notation.ts.
// Written from facts/criu.md appendix A (the tree of CRIU 4.2).

export const ENUMS = {
  lsmtype: { NO_LSM: 0, SELINUX: 1, APPARMOR: 2 },
} as const;

export const MESSAGES = {
  plugins_entry: {
    plugins: '12 string*',
  },
  inventory_entry: {
    img_version: '1 uint32!',
    fdinfo_per_id: '2 bool?',
    root_ids: '3 task_kobj_ids_entry?',
    ns_per_id: '4 bool?',
    root_cg_set: '5 uint32?',
    lsmtype: '6 lsmtype?',
    dump_uptime: '8 uint64?',
    pre_dump_mode: '9 uint32?',
    tcp_close: '10 bool?',
    network_lock_method: '11 uint32?',
    plugins_entry: '12 plugins_entry?',
    dump_criu_run_id: '13 string?',
    allow_uprobes: '14 bool?',
  },
  dump_stats_entry: {
    freezing_time: '1 uint32!',
    frozen_time: '2 uint32!',
    memdump_time: '3 uint32!',
    memwrite_time: '4 uint32!',
    pages_scanned: '5 uint64!',
    pages_skipped_parent: '6 uint64!',
    pages_written: '7 uint64!',
    irmap_resolve: '8 uint32?',
    pages_lazy: '9 uint64!',
    page_pipes: '10 uint64?',
    page_pipe_bufs: '11 uint64?',
    shpages_scanned: '12 uint64?',
    shpages_skipped_parent: '13 uint64?',
    shpages_written: '14 uint64?',
  },
  restore_stats_entry: {
    pages_compared: '1 uint64!',
    pages_skipped_cow: '2 uint64!',
    forking_time: '3 uint32!',
    restore_time: '4 uint32!',
    pages_restored: '5 uint64?',
  },
  stats_entry: {
    dump: '1 dump_stats_entry?',
    restore: '2 restore_stats_entry?',
  },
  timeval: {
    tv_sec: '1 uint64!',
    tv_usec: '2 uint64!',
  },
} as const;
