/* Swarms whose disks fail: full, slow, or one call that goes wrong. */
#include "scenario.h"

/* Of the failures of a call: it ends after some of its bytes. */
#define SHORT INT64_MAX

static void play_plain(struct run *r)
{
    run_begin(r);
    run_populate(r);
    run_finish(r);
    run_end(r);
}

/* Room for a part of it; then room for all. */
static void play_full(struct run *r)
{
    struct world *w = run_begin(r);
    w->settings.allocation = (uint32_t)(SPATE_ALLOCATE_SPARSE + dice_below(&r->dice, 3));
    w->resume_after_ns = 3 * WORLD_SECOND_NS;
    w->disks_fail = true;
    run_populate(r);
    struct io_sim_disk small = w->disk;
    for (int i = (int)r->set.seeds; i < w->peer_count; i++) {
        small.capacity_bytes = dice_below(&r->dice, (uint32_t)w->payload_bytes);
        io_sim_set_disk(w->peers[i].io, &small);
    }
    run_until(r, run_fault_at_ns(r, 5000, 40000));
    for (int i = 0; i < w->peer_count; i++) {
        io_sim_set_disk(w->peers[i].io, &w->disk);
    }
    run_finish(r);
    run_end(r);
}

/* ---- what a disk does to what is on it -------------------------------------------------------- */

/* Bits turn over in a byte of the payload. */
static void rot(struct run *r, struct world_peer *p)
{
    int file = (int)dice_below(&r->dice, (uint32_t)r->set.files);
    uint64_t offset = dice_next(&r->dice) % r->files[file].length;
    struct io_fs *fs = io_sim_fs(p->io);
    struct io_file *f;
    char path[64];
    uint8_t byte;
    struct iovec v = {.iov_base = &byte, .iov_len = 1};
    snprintf(path, sizeof path, "/data/payload/%s", r->paths[file]);
    if (io_fs_open_path(fs, path, IO_OPEN_READ | IO_OPEN_WRITE, &f) < 0) {
        world_complain(p->world, checker_name(CHECKER_FILES), "%s is not there", path);
        return;
    }
    io_fs_read(fs, f, offset, &v, 1);
    byte ^= (uint8_t)(1 + dice_below(&r->dice, 255));
    io_fs_write(fs, f, offset, &v, 1);
    io_fs_close(fs, f);
}

/* While a disk is checked, some of what it gives to read is not what is on it. */
static int64_t misread(void *user, const struct io_sim_disk_call *call)
{
    struct run *r = user;
    for (int i = 0; call->kind == IO_SIM_DISK_READ && i < r->world->peer_count; i++) {
        struct world_peer *p = &r->world->peers[i];
        if (p->io == call->host && world_state(p) == SPATE_STATE_CHECKING &&
            dice_below(&r->dice, 8) == 0) {
            call->fault->flip_at = dice_next(&r->dice) % call->length;
            call->fault->flip = (uint8_t)(1 + dice_below(&r->dice, 255));
        }
    }
    return 0;
}

/* Leechers that are complete go, and what they have rots; they come back without a record. */
static void play_rot(struct run *r)
{
    struct world *w = run_begin(r);
    run_populate(r);
    run_finish(r);
    for (int i = (int)r->set.seeds; i < w->peer_count; i++) {
        world_leave(&w->peers[i]);
    }
    world_wait_for_leavers(w, 60 * WORLD_SECOND_NS);
    for (int i = (int)r->set.seeds; i < w->peer_count && world_is_well(w); i++) {
        struct world_peer *p = &w->peers[i];
        for (uint32_t times = dice_below(&r->dice, 4); times > 0; times--) {
            rot(r, p);
        }
        io_sim_set_disk_rule(p->io, misread, r);
        bitset_empty(&p->proven);
        bitset_empty(&p->news);
        world_start(p);
    }
    run_finish(r);
    run_end(r);
}

/* What leechers have mounted goes, and comes back with what was on it. */
static void play_mount(struct run *r)
{
    static const char *const paths[] = {"/data", "/data/payload", "/var/lib/spate"};
    struct world *w = run_begin(r);
    w->resume_after_ns = 2 * WORLD_SECOND_NS;
    w->disks_fail = true;
    run_populate(r);
    const char *path = paths[dice_below(&r->dice, 3)];
    run_until(r, run_fault_at_ns(r, 500, 8000));
    for (int i = (int)r->set.seeds; i < w->peer_count; i++) {
        enum io_sim_mount kind =
            dice_below(&r->dice, 2) ? IO_SIM_MOUNT_FAILING : IO_SIM_MOUNT_EMPTY;
        io_sim_set_mount(w->peers[i].io, path, dice_below(&r->dice, 3) ? kind : IO_SIM_MOUNT_THERE);
    }
    run_until(r, io_sim_now(w->sim) + r->set.fault_for * 1000000);
    for (int i = (int)r->set.seeds; i < w->peer_count; i++) {
        io_sim_set_mount(w->peers[i].io, path, IO_SIM_MOUNT_THERE);
    }
    run_finish(r);
    run_end(r);
}

/* ---- one call --------------------------------------------------------------------------------- */

static int64_t fail_one(void *user, const struct io_sim_disk_call *call)
{
    struct run *r = user;
    uint64_t index = r->fault_calls++;
    if (r->fault_over || index < r->fault_index) {
        return 0;
    }
    if (index == r->fault_index) {
        r->fault_host = call->host;
    } else if (!r->fault_lasts || call->host != r->fault_host) {
        return 0;
    }
    /* Only what moves bytes can end after some of them. */
    bool moves = call->kind == IO_SIM_DISK_READ || call->kind == IO_SIM_DISK_WRITE;
    return r->fault_code > 0 && !moves ? SPATE_EIO : r->fault_code;
}

static void play_world_of_calls(struct run *r)
{
    struct world *w = run_begin(r);
    w->resume_after_ns = 2 * WORLD_SECOND_NS;
    w->disks_fail = true;
    r->fault_calls = 0;
    r->fault_over = false;
    run_populate(r);
    for (int i = 0; i < w->peer_count; i++) {
        io_sim_set_disk_rule(w->peers[i].io, fail_one, r);
    }
    if (r->fault_lasts) {
        run_until(r, r->set.fault_for * 1000000);
        r->fault_over = true;
    }
    run_finish(r);
    run_end(r);
}

/* A first world, in which nothing fails, counts the calls; in the second one of them fails. Seed after
 * seed takes call after call. */
static void play_calls(struct run *r, bool lasts)
{
    static const int64_t codes[] = {SPATE_EIO,   SPATE_ENOSPC, SPATE_EACCES,
                                    SPATE_EROFS, SPATE_EFDS,   SHORT};
    FILE *log = r->log;
    struct curve *curve = r->curve;
    r->log = NULL;
    r->curve = NULL;
    r->fault_index = UINT64_MAX;
    r->fault_lasts = false;
    play_world_of_calls(r);
    r->log = log;
    r->curve = curve;
    if (r->outcome->verdict.checker[0]) {
        return;
    }
    r->fault_index = run_fault_index(r, r->fault_calls);
    r->fault_lasts = lasts;
    r->fault_code = codes[dice_below(&r->dice, sizeof codes / sizeof *codes)];
    if (r->fault_code == SHORT) {
        r->fault_code = 1 + dice_below(&r->dice, 5000);
    }
    play_world_of_calls(r);
}

static void play_call_once(struct run *r)
{
    play_calls(r, false);
}

static void play_call_for_good(struct run *r)
{
    play_calls(r, true);
}

const struct scenario scenarios_of_disks[] = {
    {"a_slow_disk_only_takes_longer", "every call of the disk takes long, a sync very long",
     "peers=6 pieces=40 disk=20000 sync=400000 disk_rate=2000", play_plain},
    {"a_full_disk_is_waited_for", "disks of leechers are too small, and then large enough",
     "peers=5 pieces=40 state=1", play_full},
    {"what_rots_on_a_disk_is_found_by_a_check",
     "bits turn over on the disk and while it is read, silently, and all is hashed again",
     "peers=4 pieces=40 files=3", play_rot},
    {"a_mount_may_vanish_and_return", "what is mounted there goes in the middle of it",
     "peers=4 pieces=40 files=3 up=300 seed_up=300 state=1 fault_for=10000", play_mount},
    {"any_disk_call_may_fail_once", "one call of one disk fails, call after call",
     "peers=2 pieces=12 files=3 up=0 seed_up=0 state=1", play_call_once},
    {"any_disk_call_may_fail_for_good", "from one call on a disk fails, until it is repaired",
     "peers=2 pieces=12 files=3 up=0 seed_up=0 state=1", play_call_for_good},
    {NULL, NULL, NULL, NULL},
};
