/* The files of a torrent on a disk: where bytes go, what is never touched, and what happens when the disk says
 * no. */
#include "disk_world.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KIB = 1024 };

static const struct disk_file files[] = {
    {"t/a", 100 * KIB}, {"t/sub/b", 10},        {"t/empty", 0},    {NULL, 28 * KIB - 10},
    {"t/c", 70 * KIB},  {"t/sub/deep/d", 3000}, {"t/e", 40 * KIB},
};
enum { FILE_A, FILE_B, FILE_EMPTY, FILE_PAD, FILE_C, FILE_D, FILE_E, FILE_COUNT };

struct fixture {
    struct disk_world *w;
    struct disk_torrent t;
    struct store_settings settings;
    struct store *store;
    char save[PATH_MAX], parts[PATH_MAX];
};

static struct fixture f;

static int setup(void **state)
{
    (void)state;
    memset(&f, 0, sizeof f);
    f.w = disk_world_create();
    disk_torrent_init(&f.t, files, FILE_COUNT, 32 * KIB);
    f.settings = disk_store_settings(f.w, &f.t, f.save, f.parts);
    return 0;
}

static void open_store(void)
{
    assert_int_equal(store_create(&f.settings, &f.store), 0);
}

static void close_store(void)
{
    store_destroy(f.store);
    f.store = NULL;
    disk_world_run(f.w);
}

static int teardown(void **state)
{
    (void)state;
    if (f.store) {
        close_store();
    }
    disk_world_destroy(f.w);
    disk_torrent_deinit(&f.t);
    return 0;
}

static void expect_file(uint32_t file)
{
    char name[256];
    size_t size;
    const uint8_t *bytes = disk_torrent_file(&f.t, file, &size);
    snprintf(name, sizeof name, "save/%s", files[file].path);
    disk_world_expect(f.w, name, bytes, size);
}

static void write_all(void)
{
    assert_int_equal(disk_write(f.w, f.store, 0, f.t.bytes, (size_t)f.t.layout.total_length, NULL),
                     0);
}

static void put_all(void)
{
    disk_world_make_directory(f.w, "save");
    disk_world_make_directory(f.w, "save/t");
    disk_world_make_directory(f.w, "save/t/sub");
    disk_world_make_directory(f.w, "save/t/sub/deep");
    for (uint32_t i = 0; i < FILE_COUNT; i++) {
        char name[256];
        size_t size;
        const uint8_t *bytes = disk_torrent_file(&f.t, i, &size);
        if (files[i].path) {
            snprintf(name, sizeof name, "save/%s", files[i].path);
            disk_world_put(f.w, name, bytes, size);
        }
    }
}

static void a_range_over_many_files_is_written_and_read_back(void **state)
{
    (void)state;
    open_store();
    assert_int_equal(disk_prepare(f.w, f.store, NULL), 0);
    write_all();
    expect_file(FILE_A);
    expect_file(FILE_B);
    expect_file(FILE_C);
    expect_file(FILE_D);
    expect_file(FILE_E);
    size_t size = (size_t)f.t.layout.total_length;
    uint8_t *back = malloc(size);
    memset(back, 0xee, size);
    assert_int_equal(disk_read(f.w, f.store, 0, back, size, NULL), 0);
    assert_memory_equal(back, f.t.bytes, size);
    free(back);
}

static void pad_files_are_never_written_and_read_as_zeroes(void **state)
{
    (void)state;
    uint8_t junk[64], back[64];
    memset(junk, 0xff, sizeof junk);
    open_store();
    uint64_t pad = f.t.layout.files[2].offset;
    assert_true(f.t.layout.files[2].pad);
    f.w->written_bytes = 0;
    assert_int_equal(disk_write(f.w, f.store, pad, junk, sizeof junk, NULL), 0);
    assert_int_equal(f.w->written_bytes, 0);
    memset(back, 1, sizeof back);
    assert_int_equal(disk_read(f.w, f.store, pad, back, sizeof back, NULL), 0);
    memset(junk, 0, sizeof junk);
    assert_memory_equal(back, junk, sizeof back);
}

static void preparing_makes_every_wanted_file_at_its_length(void **state)
{
    (void)state;
    open_store();
    assert_int_equal(disk_prepare(f.w, f.store, NULL), 0);
    assert_int_equal(disk_world_length(f.w, "save/t/a"), 100 * KIB);
    assert_int_equal(disk_world_length(f.w, "save/t/empty"), 0);
    assert_int_equal(disk_world_length(f.w, "save/t/sub/deep/d"), 3000);
    struct store_file_found found[FILE_COUNT];
    struct store_look look = {.found = found};
    assert_int_equal(disk_look(f.w, f.store, &look), 0);
    assert_true(look.destination_exists);
    assert_int_equal(found[FILE_A].what, STORE_PRESENT);
    assert_int_equal(found[FILE_A].stat.length, 100 * KIB);
    assert_int_equal(found[FILE_EMPTY].what, STORE_PRESENT);
    assert_int_equal(found[FILE_PAD].what, STORE_ABSENT);
}

static void without_allocation_files_grow_as_they_are_written(void **state)
{
    (void)state;
    f.settings.allocate_none = true;
    open_store();
    assert_int_equal(disk_prepare(f.w, f.store, NULL), 0);
    assert_int_equal(disk_world_length(f.w, "save/t/a"), 0);
    write_all();
    assert_int_equal(disk_world_length(f.w, "save/t/a"), 100 * KIB);
}

static void full_allocation_reserves_the_space(void **state)
{
    (void)state;
    f.settings.allocate = IO_ALLOCATE_FULL;
    open_store();
    assert_int_equal(disk_prepare(f.w, f.store, NULL), 0);
    struct stat st;
    char path[PATH_MAX];
    assert_int_equal(stat(disk_world_path(f.w, "save/t/a", path), &st), 0);
    assert_true(st.st_blocks * 512 >= 100 * KIB);
}

static void where_space_cannot_be_reserved_files_are_sparse(void **state)
{
    (void)state;
    f.settings.allocate = IO_ALLOCATE_FULL;
    f.w->no_full_allocation = true;
    open_store();
    assert_int_equal(disk_prepare(f.w, f.store, NULL), 0);
    assert_int_equal(disk_world_length(f.w, "save/t/a"), 100 * KIB);
}

static void too_little_space_is_said_before_anything_is_made(void **state)
{
    (void)state;
    struct store_prepare prepare;
    f.w->free_bytes = 200 * KIB;
    open_store();
    assert_int_equal(disk_prepare(f.w, f.store, &prepare), SPATE_ENOSPC);
    assert_int_equal(prepare.file, UINT32_MAX);
    assert_non_null(strstr(prepare.text, "200.0 KiB"));
    assert_false(disk_world_exists(f.w, "save/t"));
}

static void what_is_allocated_already_is_not_asked_for_again(void **state)
{
    (void)state;
    open_store();
    assert_int_equal(disk_prepare(f.w, f.store, NULL), 0);
    write_all();
    f.w->free_bytes = 0;
    assert_int_equal(disk_prepare(f.w, f.store, NULL), 0);
}

static void a_full_disk_while_reserving_names_the_file(void **state)
{
    (void)state;
    struct store_prepare prepare;
    f.settings.allocate = IO_ALLOCATE_FULL;
    f.w->fail_allocate = SPATE_ENOSPC;
    open_store();
    assert_int_equal(disk_prepare(f.w, f.store, &prepare), SPATE_ENOSPC);
    assert_int_equal(prepare.file, FILE_A);
    assert_non_null(strstr(prepare.text, "t/a"));
}

static void a_full_disk_while_writing_names_the_file(void **state)
{
    (void)state;
    uint32_t file;
    open_store();
    assert_int_equal(disk_prepare(f.w, f.store, NULL), 0);
    f.w->fail_write = SPATE_ENOSPC;
    f.w->fail_write_after = f.w->written_bytes + 1;
    assert_int_equal(disk_write(f.w, f.store, 0, f.t.bytes, (size_t)f.t.layout.total_length, &file),
                     SPATE_ENOSPC);
    assert_int_equal(file, FILE_B);
}

static void a_longer_file_is_left_as_it_is(void **state)
{
    (void)state;
    put_all();
    uint8_t *longer = calloc(1, 50 * KIB);
    disk_world_put(f.w, "save/t/e", longer, 50 * KIB);
    open_store();
    assert_int_equal(disk_prepare(f.w, f.store, NULL), 0);
    disk_world_expect(f.w, "save/t/e", longer, 50 * KIB);
    struct store_file_found found[FILE_COUNT];
    struct store_look look = {.found = found};
    assert_int_equal(disk_look(f.w, f.store, &look), 0);
    assert_int_equal(found[FILE_E].stat.length, 50 * KIB);
    free(longer);
}

static void looking_changes_nothing(void **state)
{
    (void)state;
    struct store_file_found found[FILE_COUNT];
    struct store_look look = {.found = found};
    open_store();
    assert_int_equal(disk_look(f.w, f.store, &look), 0);
    assert_false(look.destination_exists);
    assert_true(look.free_bytes > 0);
    assert_int_equal(found[FILE_A].what, STORE_ABSENT);
    assert_false(disk_world_exists(f.w, "save"));
    assert_int_equal(f.w->opens_for_writing, 0);
}

static void a_file_for_a_destination_is_an_error(void **state)
{
    (void)state;
    struct store_file_found found[FILE_COUNT];
    struct store_look look = {.found = found};
    disk_world_put(f.w, "save", "x", 1);
    open_store();
    assert_int_equal(disk_look(f.w, f.store, &look), SPATE_ENOTDIR);
    assert_int_equal(disk_prepare(f.w, f.store, NULL), SPATE_ENOTDIR);
}

/* ---- links ---- */

static void plant(const char *name)
{
    disk_world_make_directory(f.w, "outside");
    disk_world_make_directory(f.w, "outside/sub");
    disk_world_make_directory(f.w, "outside/sub/deep");
    disk_world_put(f.w, "outside/victim", "precious", 8);
    char path[PATH_MAX];
    disk_world_link(f.w, disk_world_path(f.w, name, path), "planted");
}

static void expect_untouched(void)
{
    disk_world_expect(f.w, "outside/victim", "precious", 8);
    assert_false(disk_world_exists(f.w, "outside/a"));
    assert_false(disk_world_exists(f.w, "outside/b"));
    assert_false(disk_world_exists(f.w, "outside/d"));
    assert_false(disk_world_exists(f.w, "outside/sub/b"));
}

static void move_link_to(const char *name)
{
    char from[PATH_MAX], to[PATH_MAX];
    assert_int_equal(rename(disk_world_path(f.w, "planted", from), disk_world_path(f.w, name, to)),
                     0);
}

static void expect_refused(int error, uint32_t file)
{
    struct store_prepare prepare;
    uint32_t failed;
    open_store();
    assert_int_equal(disk_prepare(f.w, f.store, &prepare), error);
    assert_int_equal(prepare.file, file);
    uint64_t offset = 0;
    for (uint32_t i = 0; i < f.t.layout.file_count; i++) {
        offset = f.t.layout.files[i].file == file ? f.t.layout.files[i].offset : offset;
    }
    assert_int_equal(disk_write(f.w, f.store, offset, f.t.bytes, 5, &failed), error);
    assert_int_equal(failed, file);
    assert_int_equal(disk_read(f.w, f.store, offset, f.t.bytes, 5, &failed), error);
    expect_untouched();
}

static void a_link_for_a_file_is_not_written_through(void **state)
{
    (void)state;
    plant("outside/victim");
    disk_world_make_directory(f.w, "save");
    disk_world_make_directory(f.w, "save/t");
    move_link_to("save/t/a");
    expect_refused(SPATE_ESYMLINK, FILE_A);
}

static void a_link_for_the_first_directory_is_not_followed(void **state)
{
    (void)state;
    plant("outside");
    disk_world_make_directory(f.w, "save");
    move_link_to("save/t");
    expect_refused(SPATE_ESYMLINK, FILE_A);
}

static void a_link_for_a_deep_directory_is_not_followed(void **state)
{
    (void)state;
    plant("outside");
    disk_world_make_directory(f.w, "save");
    disk_world_make_directory(f.w, "save/t");
    disk_world_make_directory(f.w, "save/t/sub");
    move_link_to("save/t/sub/deep");
    expect_refused(SPATE_ESYMLINK, FILE_D);
}

static void the_destination_itself_may_be_a_link(void **state)
{
    (void)state;
    plant("outside");
    move_link_to("save");
    open_store();
    assert_int_equal(disk_prepare(f.w, f.store, NULL), 0);
    assert_int_equal(disk_world_length(f.w, "outside/t/a"), 100 * KIB);
}

static void reading_follows_links_where_that_was_asked_for_and_writing_never(void **state)
{
    (void)state;
    uint8_t back[8];
    uint32_t file;
    plant("outside/victim");
    disk_world_make_directory(f.w, "save");
    disk_world_make_directory(f.w, "save/t");
    move_link_to("save/t/a");
    f.settings.follow_symlinks = true;
    open_store();
    assert_int_equal(disk_read(f.w, f.store, 0, back, 8, NULL), 0);
    assert_memory_equal(back, "precious", 8);
    assert_int_equal(disk_write(f.w, f.store, 0, f.t.bytes, 8, &file), SPATE_ESYMLINK);
    expect_untouched();
}

static void a_link_below_a_followed_directory_is_not_written_through(void **state)
{
    (void)state;
    uint8_t back[1];
    plant("outside");
    disk_world_put(f.w, "outside/b", "xx", 2);
    disk_world_make_directory(f.w, "save");
    disk_world_make_directory(f.w, "save/t");
    move_link_to("save/t/sub");
    f.settings.follow_symlinks = true;
    open_store();
    uint64_t b = f.t.layout.files[1].offset;
    assert_int_equal(disk_read(f.w, f.store, b, back, 1, NULL), 0);
    assert_int_equal(disk_write(f.w, f.store, b, f.t.bytes, 1, NULL), SPATE_ESYMLINK);
    disk_world_expect(f.w, "outside/b", "xx", 2);
}

static void directories_and_pipes_in_the_way_are_errors(void **state)
{
    (void)state;
    char path[PATH_MAX];
    struct store_prepare prepare;
    struct store_file_found found[FILE_COUNT];
    struct store_look look = {.found = found};
    disk_world_make_directory(f.w, "save");
    disk_world_make_directory(f.w, "save/t");
    disk_world_make_directory(f.w, "save/t/a");
    assert_int_equal(mkfifo(disk_world_path(f.w, "save/t/c", path), 0600), 0);
    open_store();
    assert_int_equal(disk_look(f.w, f.store, &look), 0);
    assert_int_equal(found[FILE_A].what, STORE_NOT_A_FILE);
    assert_int_equal(found[FILE_A].error, SPATE_EISDIR);
    assert_int_equal(found[FILE_C].what, STORE_NOT_A_FILE);
    assert_int_equal(found[FILE_C].error, SPATE_EFOREIGN);
    assert_int_equal(disk_prepare(f.w, f.store, &prepare), SPATE_EISDIR);
    uint32_t file;
    assert_int_equal(disk_write(f.w, f.store, f.t.layout.files[3].offset, f.t.bytes, 1, &file),
                     SPATE_EFOREIGN);
    assert_int_equal(file, FILE_C);
}

/* ---- files that change under us ---- */

static void a_removed_file_is_named(void **state)
{
    (void)state;
    uint8_t back[16];
    uint32_t file;
    char path[PATH_MAX];
    put_all();
    assert_int_equal(unlink(disk_world_path(f.w, "save/t/c", path)), 0);
    f.settings.read_only = true;
    open_store();
    assert_int_equal(disk_read(f.w, f.store, f.t.layout.files[3].offset, back, 16, &file),
                     SPATE_ENOENT);
    assert_int_equal(file, FILE_C);
}

static void a_truncated_file_is_named(void **state)
{
    (void)state;
    uint8_t back[4096];
    uint32_t file;
    char path[PATH_MAX];
    put_all();
    open_store();
    assert_int_equal(disk_read(f.w, f.store, 0, back, 16, &file), 0);
    assert_int_equal(truncate(disk_world_path(f.w, "save/t/a", path), 100), 0);
    assert_int_equal(disk_read(f.w, f.store, 0, back, 4096, &file), SPATE_ESHORT);
    assert_int_equal(file, FILE_A);
}

static void a_store_that_only_reads_opens_nothing_for_writing(void **state)
{
    (void)state;
    uint8_t back[16];
    put_all();
    f.settings.read_only = true;
    open_store();
    assert_int_equal(disk_read(f.w, f.store, 0, back, 16, NULL), 0);
    assert_int_equal(disk_write(f.w, f.store, 0, back, 16, NULL), SPATE_EROFS);
    assert_int_equal(disk_prepare(f.w, f.store, NULL), SPATE_EROFS);
    assert_int_equal(f.w->opens_for_writing, 0);
}

/* ---- syncing ---- */

static void a_sync_covers_files_and_the_directories_that_gained_entries(void **state)
{
    (void)state;
    open_store();
    assert_int_equal(disk_prepare(f.w, f.store, NULL), 0);
    /* Making the destination synced the directory that holds it. */
    assert_int_equal(f.w->directory_syncs, 1);
    write_all();
    f.w->directory_syncs = 0;
    assert_int_equal(disk_sync(f.w, f.store, NULL), 0);
    assert_int_equal(f.w->file_syncs, 6);
    assert_int_equal(f.w->directory_syncs, 4); /* save, t, sub, deep */
    assert_int_equal(disk_sync(f.w, f.store, NULL), 0);
    assert_int_equal(f.w->file_syncs, 6);
    assert_int_equal(disk_write(f.w, f.store, 0, f.t.bytes, 5, NULL), 0);
    assert_int_equal(disk_sync(f.w, f.store, NULL), 0);
    assert_int_equal(f.w->file_syncs, 7);
    assert_int_equal(f.w->directory_syncs, 4);
}

static void missing_parents_of_the_destination_are_made_and_synced(void **state)
{
    (void)state;
    char deep[PATH_MAX];
    f.settings.save_path = disk_world_path(f.w, "x/y//z/", deep);
    open_store();
    assert_int_equal(disk_prepare(f.w, f.store, NULL), 0);
    assert_int_equal(f.w->directory_syncs, 3); /* the world's, x, y */
    assert_int_equal(disk_world_length(f.w, "x/y/z/t/a"), 100 * KIB);
}

static const uint8_t only_c[FILE_COUNT] = {[FILE_C] = 1};

static void read_all_back(void)
{
    size_t size = (size_t)f.t.layout.total_length;
    uint8_t *back = calloc(1, size);
    assert_int_equal(disk_read(f.w, f.store, 0, back, size, NULL), 0);
    assert_memory_equal(back, f.t.bytes, size);
    free(back);
}

static void a_failed_sync_names_the_file_and_forgets_nothing(void **state)
{
    (void)state;
    uint32_t file;
    open_store();
    assert_int_equal(disk_prepare(f.w, f.store, NULL), 0);
    write_all();
    f.w->fail_sync = SPATE_EIO;
    assert_int_equal(disk_sync(f.w, f.store, &file), SPATE_EIO);
    assert_int_equal(file, FILE_A);
    f.w->fail_sync = 0;
    store_start_over(f.store);
    assert_int_equal(disk_sync(f.w, f.store, &file), 0);
    assert_int_equal(f.w->file_syncs, 6);
}

/* The kernel has let go of what it could not store: a second sync that succeeds would prove nothing. */
static void after_a_failed_sync_none_succeeds_until_all_is_read_again(void **state)
{
    (void)state;
    open_store();
    assert_int_equal(disk_want(f.w, f.store, only_c), 0);
    assert_int_equal(disk_prepare(f.w, f.store, NULL), 0);
    write_all();
    f.w->fail_sync = SPATE_EIO;
    assert_int_equal(disk_want(f.w, f.store, NULL), SPATE_EIO);
    f.w->fail_sync = 0;
    assert_int_equal(disk_sync(f.w, f.store, NULL), SPATE_EIO);
    assert_int_equal(disk_want(f.w, f.store, NULL), SPATE_EIO);
    assert_int_equal(f.w->file_syncs, 0);
    store_start_over(f.store);
    assert_int_equal(disk_want(f.w, f.store, NULL), 0);
    assert_int_equal(disk_sync(f.w, f.store, NULL), 0);
    read_all_back();
}

static void bytes_in_a_deleted_file_are_not_called_durable(void **state)
{
    (void)state;
    uint32_t file;
    char path[PATH_MAX];
    open_store();
    assert_int_equal(disk_prepare(f.w, f.store, NULL), 0);
    assert_int_equal(disk_sync(f.w, f.store, NULL), 0);
    assert_int_equal(disk_write(f.w, f.store, 0, f.t.bytes, 5, NULL), 0);
    assert_int_equal(unlink(disk_world_path(f.w, "save/t/a", path)), 0);
    assert_int_equal(disk_sync(f.w, f.store, &file), SPATE_ENOENT);
    assert_int_equal(file, FILE_A);
}

/* ---- unwanted files ---- */

/* The pieces that hold bytes of c: 4 to 6, with d and the beginning of e. */
static void write_pieces_of_c(void)
{
    uint64_t from = layout_piece_offset(&f.t.layout, 4), to = layout_piece_offset(&f.t.layout, 7);
    assert_int_equal(disk_write(f.w, f.store, from, f.t.bytes + from, (size_t)(to - from), NULL),
                     0);
}

static void expect_pieces_of_c(void)
{
    uint64_t from = layout_piece_offset(&f.t.layout, 4), to = layout_piece_offset(&f.t.layout, 7);
    uint8_t *back = calloc(1, (size_t)(to - from));
    assert_int_equal(disk_read(f.w, f.store, from, back, (size_t)(to - from), NULL), 0);
    assert_memory_equal(back, f.t.bytes + from, (size_t)(to - from));
    free(back);
}

static void unwanted_files_are_not_made_and_their_bytes_are_kept(void **state)
{
    (void)state;
    open_store();
    assert_int_equal(disk_want(f.w, f.store, only_c), 0);
    assert_int_equal(disk_prepare(f.w, f.store, NULL), 0);
    write_pieces_of_c();
    expect_file(FILE_C);
    expect_pieces_of_c();
    assert_false(disk_world_exists(f.w, "save/t/a"));
    assert_false(disk_world_exists(f.w, "save/t/e"));
    assert_false(disk_world_exists(f.w, "save/t/sub"));
    assert_true(disk_world_exists(f.w, "parts"));
    struct stat st;
    char path[PATH_MAX];
    assert_int_equal(stat(disk_world_path(f.w, "parts", path), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void kept_bytes_survive_the_store(void **state)
{
    (void)state;
    open_store();
    assert_int_equal(disk_want(f.w, f.store, only_c), 0);
    write_pieces_of_c();
    close_store();
    open_store();
    struct store_file_found found[FILE_COUNT];
    struct store_look look = {.found = found};
    assert_int_equal(disk_look(f.w, f.store, &look), 0);
    assert_true(found[FILE_E].in_part);
    assert_int_equal(found[FILE_E].what, STORE_ABSENT);
    assert_false(found[FILE_C].in_part);
    expect_pieces_of_c(); /* also before anybody has said again what is wanted */
    assert_int_equal(disk_want(f.w, f.store, only_c), 0);
    expect_pieces_of_c();
}

static void a_file_that_becomes_wanted_gets_its_kept_bytes(void **state)
{
    (void)state;
    open_store();
    assert_int_equal(disk_want(f.w, f.store, only_c), 0);
    write_pieces_of_c();
    uint8_t with_d[FILE_COUNT] = {[FILE_C] = 1, [FILE_D] = 1};
    assert_int_equal(disk_want(f.w, f.store, with_d), 0);
    expect_file(FILE_D);
    expect_pieces_of_c();
    assert_true(disk_world_exists(f.w, "parts")); /* e is still unwanted */
    assert_int_equal(disk_want(f.w, f.store, NULL), 0);
    assert_false(disk_world_exists(f.w, "parts"));
    expect_file(FILE_EMPTY);
    expect_pieces_of_c();
}

static void a_choice_that_changed_between_two_runs_moves_bytes_too(void **state)
{
    (void)state;
    open_store();
    assert_int_equal(disk_want(f.w, f.store, only_c), 0);
    write_pieces_of_c();
    close_store();
    open_store();
    assert_int_equal(disk_want(f.w, f.store, NULL), 0);
    expect_file(FILE_D);
    expect_pieces_of_c();
    assert_false(disk_world_exists(f.w, "parts"));
}

static void a_stranger_in_the_place_of_a_newly_wanted_file_changes_nothing(void **state)
{
    (void)state;
    struct bitset ours;
    uint32_t file = 0;
    uint8_t with_d[FILE_COUNT] = {[FILE_C] = 1, [FILE_D] = 1};
    assert_int_equal(bitset_init(&ours, FILE_COUNT), 0);
    bitset_set(&ours, FILE_C);
    open_store();
    assert_int_equal(disk_want_of(f.w, f.store, only_c, &ours, &file), 0);
    write_pieces_of_c();
    disk_world_make_directory(f.w, "save/t/sub");
    disk_world_make_directory(f.w, "save/t/sub/deep");
    disk_world_put(f.w, "save/t/sub/deep/d", "mine", 4);
    assert_int_equal(disk_want_of(f.w, f.store, with_d, &ours, &file), SPATE_EFOREIGN);
    assert_int_equal(file, FILE_D);
    disk_world_expect(f.w, "save/t/sub/deep/d", "mine", 4);
    expect_pieces_of_c();
    bitset_set(&ours, FILE_D);
    assert_int_equal(disk_want_of(f.w, f.store, with_d, &ours, &file), 0);
    expect_pieces_of_c();
    bitset_deinit(&ours);
}

static void a_file_that_was_made_stays_one_when_it_is_not_wanted_any_more(void **state)
{
    (void)state;
    open_store();
    assert_int_equal(disk_prepare(f.w, f.store, NULL), 0);
    write_all();
    assert_int_equal(disk_want(f.w, f.store, only_c), 0);
    read_all_back();
    write_all();
    assert_false(disk_world_exists(f.w, "parts"));
    expect_file(FILE_E);
}

/* c and e wanted, e complete; then, in another run, only c: what e has stays readable when the pieces it
 * shares are written again. */
static void what_an_unwanted_file_has_already_is_not_lost(void **state)
{
    (void)state;
    open_store();
    write_all();
    close_store();
    open_store();
    assert_int_equal(disk_want(f.w, f.store, only_c), 0);
    read_all_back();
    uint64_t c = f.t.layout.files[3].offset;
    assert_int_equal(disk_write(f.w, f.store, c, f.t.bytes + c, 16 * KIB, NULL), 0);
    uint64_t d = f.t.layout.files[4].offset;
    assert_int_equal(disk_write(f.w, f.store, d, f.t.bytes + d, 1, NULL), 0);
    assert_true(disk_world_exists(f.w, "parts"));
    read_all_back();
    assert_int_equal(disk_want(f.w, f.store, NULL), 0);
    read_all_back();
    expect_file(FILE_D);
    expect_file(FILE_E);
}

static void without_a_part_file_unwanted_bytes_are_dropped(void **state)
{
    (void)state;
    uint8_t back[16];
    uint32_t file;
    f.settings.part_path = NULL;
    open_store();
    assert_int_equal(disk_want(f.w, f.store, only_c), 0);
    write_pieces_of_c();
    expect_file(FILE_C);
    assert_int_equal(disk_read(f.w, f.store, f.t.layout.files[4].offset, back, 16, &file),
                     SPATE_ENOENT);
    assert_int_equal(file, FILE_D);
    assert_false(disk_world_exists(f.w, "parts"));
}

static void a_damaged_part_file_is_taken_for_an_empty_one(void **state)
{
    (void)state;
    open_store();
    assert_int_equal(disk_want(f.w, f.store, only_c), 0);
    write_pieces_of_c();
    close_store();
    disk_world_put(f.w, "parts", "spateprt", 8);
    open_store();
    assert_int_equal(disk_want(f.w, f.store, only_c), 0);
    uint8_t back[16];
    assert_int_equal(disk_read(f.w, f.store, f.t.layout.files[4].offset, back, 16, NULL),
                     SPATE_ENOENT);
    write_pieces_of_c();
    expect_pieces_of_c();
}

static void a_part_file_of_another_version_is_left_alone(void **state)
{
    (void)state;
    uint8_t other[64] = "spateprt\0\0\0\2";
    disk_world_put(f.w, "parts", other, sizeof other);
    open_store();
    assert_int_equal(disk_want(f.w, f.store, only_c), SPATE_ESTATE);
    disk_world_expect(f.w, "parts", other, sizeof other);
}

static void a_move_that_fails_keeps_the_bytes_where_they_are(void **state)
{
    (void)state;
    open_store();
    assert_int_equal(disk_want(f.w, f.store, only_c), 0);
    write_pieces_of_c();
    f.w->fail_write = SPATE_ENOSPC;
    assert_int_equal(disk_want(f.w, f.store, NULL), SPATE_ENOSPC);
    f.w->fail_write = 0;
    expect_pieces_of_c();
    assert_int_equal(disk_want(f.w, f.store, NULL), 0);
    expect_pieces_of_c();
    expect_file(FILE_D);
}

/* ---- many files ---- */

static void open_files_stay_within_their_limit(void **state)
{
    (void)state;
    enum { MANY = 300 };
    static char names[MANY][32];
    struct disk_file many[MANY];
    for (int i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "many/%d", i);
        many[i] = (struct disk_file){names[i], 100};
    }
    disk_torrent_deinit(&f.t);
    disk_torrent_init(&f.t, many, MANY, 32 * KIB);
    f.settings = disk_store_settings(f.w, &f.t, f.save, f.parts);
    open_store();
    assert_int_equal(disk_prepare(f.w, f.store, NULL), 0);
    write_all();
    assert_int_equal(disk_sync(f.w, f.store, NULL), 0);
    read_all_back();
    assert_true(f.w->open_peak <= 128 + 8);
    store_close_files(f.store);
    disk_world_run(f.w);
    assert_int_equal(f.w->open_now, 0);
    read_all_back();
}

static bool freed;

static void on_freed(void *user)
{
    (void)user;
    freed = true;
}

static void a_store_outlives_what_it_was_asked_to_do(void **state)
{
    (void)state;
    f.settings.on_freed = on_freed;
    freed = false;
    open_store();
    store_hold(f.store);
    store_destroy(f.store);
    disk_world_run(f.w);
    assert_false(freed);
    store_release(f.store);
    disk_world_run(f.w);
    assert_true(freed);
    f.store = NULL;
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_range_over_many_files_is_written_and_read_back),
        T(pad_files_are_never_written_and_read_as_zeroes),
        T(preparing_makes_every_wanted_file_at_its_length),
        T(without_allocation_files_grow_as_they_are_written),
        T(full_allocation_reserves_the_space),
        T(where_space_cannot_be_reserved_files_are_sparse),
        T(too_little_space_is_said_before_anything_is_made),
        T(what_is_allocated_already_is_not_asked_for_again),
        T(a_full_disk_while_reserving_names_the_file),
        T(a_full_disk_while_writing_names_the_file),
        T(a_longer_file_is_left_as_it_is),
        T(looking_changes_nothing),
        T(a_file_for_a_destination_is_an_error),
        T(a_link_for_a_file_is_not_written_through),
        T(a_link_for_the_first_directory_is_not_followed),
        T(a_link_for_a_deep_directory_is_not_followed),
        T(the_destination_itself_may_be_a_link),
        T(reading_follows_links_where_that_was_asked_for_and_writing_never),
        T(a_link_below_a_followed_directory_is_not_written_through),
        T(directories_and_pipes_in_the_way_are_errors),
        T(a_removed_file_is_named),
        T(a_truncated_file_is_named),
        T(a_store_that_only_reads_opens_nothing_for_writing),
        T(a_sync_covers_files_and_the_directories_that_gained_entries),
        T(missing_parents_of_the_destination_are_made_and_synced),
        T(a_failed_sync_names_the_file_and_forgets_nothing),
        T(after_a_failed_sync_none_succeeds_until_all_is_read_again),
        T(bytes_in_a_deleted_file_are_not_called_durable),
        T(unwanted_files_are_not_made_and_their_bytes_are_kept),
        T(kept_bytes_survive_the_store),
        T(a_file_that_becomes_wanted_gets_its_kept_bytes),
        T(a_choice_that_changed_between_two_runs_moves_bytes_too),
        T(a_stranger_in_the_place_of_a_newly_wanted_file_changes_nothing),
        T(a_file_that_was_made_stays_one_when_it_is_not_wanted_any_more),
        T(what_an_unwanted_file_has_already_is_not_lost),
        T(without_a_part_file_unwanted_bytes_are_dropped),
        T(a_damaged_part_file_is_taken_for_an_empty_one),
        T(a_part_file_of_another_version_is_left_alone),
        T(a_move_that_fails_keeps_the_bytes_where_they_are),
        T(open_files_stay_within_their_limit),
        T(a_store_outlives_what_it_was_asked_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
