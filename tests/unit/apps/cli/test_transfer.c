/* A transfer over a library that shows one status after another: exit codes, the order of events. */
#include "apps/cli/exit_codes.h"
#include "apps/cli/transfer.h"
#include "fake_spate.h"

#include <jansson.h>
#include <signal.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What the transfer wrote to stdout, and how it ended. */
struct run {
    int code;
    char *text;
};

static const char *words(const struct run *run, char *out, size_t size)
{
    size_t used = 0;
    out[0] = 0;
    for (const char *p = run->text; *p; p = strchr(p, '\n') + 1) {
        json_error_t error;
        json_t *object = json_loadb(p, (size_t)(strchr(p, '\n') - p), 0, &error);
        assert_non_null(object);
        const char *event = json_string_value(json_object_get(object, "event"));
        const char *detail = json_string_value(json_object_get(object, "state"));
        detail = detail ? detail : json_string_value(json_object_get(object, "result"));
        if (strcmp(event, "progress") != 0) {
            used += (size_t)snprintf(out + used, size - used, "%s%s%s ", event, detail ? ":" : "",
                                     detail ? detail : "");
        }
        json_decref(object);
    }
    return out;
}

/* Runs the fake's torrent with stdout and stderr in a file. */
static struct run run(struct options *options, bool seeding)
{
    static char metainfo[] = "d4:infoe";
    struct source source = {.name = "x.torrent", .bytes = metainfo, .size = sizeof metainfo - 1};
    source.info.name = "fake";
    source.info.total_bytes = 1000;
    struct run result = {0};
    struct transfer transfer;
    FILE *file = tmpfile();
    fflush(stdout);
    fflush(stderr);
    int kept = dup(STDOUT_FILENO), kept_errors = dup(STDERR_FILENO);
    dup2(fileno(file), STDOUT_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    if (options->json) {
        dup2(kept_errors, STDERR_FILENO);
    }
    result.code = transfer_init(&transfer, options, seeding, 1);
    if (result.code == EXIT_CODE_OK) {
        transfer_add(&transfer, &source, 0, NULL, 0);
        result.code = transfer_run(&transfer);
    }
    transfer_deinit(&transfer);
    fflush(stderr);
    dup2(kept, STDOUT_FILENO);
    dup2(kept_errors, STDERR_FILENO);
    close(kept);
    close(kept_errors);
    long size = lseek(fileno(file), 0, SEEK_END);
    result.text = calloc(1, (size_t)size + 1);
    assert_int_equal(pread(fileno(file), result.text, (size_t)size, 0), size);
    fclose(file);
    return result;
}

static void show(uint32_t state, uint64_t verified)
{
    struct spate_status *s = &fake.statuses[fake.status_count++];
    *s = (struct spate_status){
        .size = sizeof *s, .state = state, .name = "fake", .wanted_bytes = 1000};
    s->verified_bytes = verified;
    s->uploaded_bytes = 77;
    s->eta_s = s->idle_ms = s->next_announce_s = -1;
}

static int set_up(void **state)
{
    static struct options options;
    memset(&fake, 0, sizeof fake);
    options_init(&options);
    options.json = true;
    options.state_dir = "/nonexistent/state";
    *state = &options;
    return 0;
}

static void success_is_every_byte_durable(void **state)
{
    char text[1024];
    show(SPATE_STATE_STARTING, 0);
    show(SPATE_STATE_DOWNLOADING, 0);
    show(SPATE_STATE_DOWNLOADING, 1000);
    show(SPATE_STATE_FINISHING, 1000);
    show(SPATE_STATE_SEEDING, 1000);
    struct run r = run(*state, false);
    assert_int_equal(r.code, EXIT_CODE_OK);
    assert_string_equal(
        words(&r, text, sizeof text),
        "session added state:starting state:downloading state:finishing state:seeding "
        "complete summary:complete exit ");
    assert_int_equal(fake.closed, 1);
    free(r.text);
}

static void a_full_disk_has_its_own_code(void **state)
{
    char text[1024];
    show(SPATE_STATE_DOWNLOADING, 10);
    show(SPATE_STATE_ERROR, 10);
    fake.statuses[1].error = SPATE_ENOSPC;
    struct run r = run(*state, false);
    assert_int_equal(r.code, EXIT_CODE_NO_SPACE);
    assert_string_equal(words(&r, text, sizeof text),
                        "session added state:downloading state:error error summary:error exit ");
    free(r.text);
}

static void a_torrent_that_is_refused_decides_the_code(void **state)
{
    char text[1024];
    fake.add_error = SPATE_ELOCKED;
    struct run r = run(*state, false);
    assert_int_equal(r.code, EXIT_CODE_LOCKED);
    assert_string_equal(words(&r, text, sizeof text), "session error exit ");
    free(r.text);
}

static void interrupt(unsigned at)
{
    if (at == 1) {
        fake.on_step = NULL;
        raise(SIGINT);
    }
}

static void a_signal_stops_a_download_with_its_own_code(void **state)
{
    char text[1024];
    show(SPATE_STATE_DOWNLOADING, 10);
    show(SPATE_STATE_DOWNLOADING, 10);
    fake.on_step = interrupt;
    struct run r = run(*state, false);
    assert_int_equal(r.code, EXIT_CODE_INTERRUPTED);
    assert_string_equal(words(&r, text, sizeof text),
                        "session added state:downloading summary:stopped exit ");
    assert_int_equal(fake.closed, 1);
    free(r.text);
}

static void a_seeder_that_is_stopped_has_succeeded(void **state)
{
    char text[1024];
    show(SPATE_STATE_SEEDING, 1000);
    show(SPATE_STATE_SEEDING, 1000);
    fake.on_step = interrupt;
    struct run r = run(*state, true);
    assert_int_equal(r.code, EXIT_CODE_OK);
    words(&r, text, sizeof text);
    assert_string_equal(text, "session added state:seeding summary:complete exit ");
    assert_non_null(strstr(r.text, "\"uploaded_bytes\":77"));
    free(r.text);
}

static void a_download_that_is_complete_and_seeds_may_be_stopped(void **state)
{
    struct options *options = *state;
    options->seed_ratio_milli = 9000000;
    show(SPATE_STATE_SEEDING, 1000);
    show(SPATE_STATE_SEEDING, 1000);
    fake.on_step = interrupt;
    struct run r = run(options, false);
    assert_int_equal(r.code, EXIT_CODE_OK);
    free(r.text);
}

static void a_command_runs_once_with_the_facts_around_it(void **state)
{
    struct options *options = *state;
    char name[] = "/tmp/spate-hook.XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    close(fd);
    char script[128];
    snprintf(script, sizeof script, "echo \"$SPATE_NAME $SPATE_DIR $SPATE_INFO_HASH $1\" >>%s",
             name);
    option_list_add(&options->on_complete, "sh");
    option_list_add(&options->on_complete, "-c");
    option_list_add(&options->on_complete, script);
    option_list_add(&options->on_complete, "sh");
    option_list_add(&options->on_complete, "a b;c");
    options->directory = "/";
    show(SPATE_STATE_SEEDING, 1000);
    struct run r = run(options, false);
    assert_int_equal(r.code, EXIT_CODE_OK);
    assert_non_null(strstr(r.text, "\"event\":\"command\""));
    char text[256] = "";
    FILE *file = fopen(name, "re");
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    unlink(name);
    assert_string_equal(text, "fake / 0000000000000000000000000000000000000000 a b;c\n");
    option_list_free(&options->on_complete, false);
    free(r.text);
}

static void a_command_that_fails_has_its_own_code(void **state)
{
    struct options *options = *state;
    static const char *const commands[] = {"false", "/nonexistent/command"};
    for (size_t i = 0; i < 2; i++) {
        set_up(state);
        option_list_add(&options->on_complete, commands[i]);
        show(SPATE_STATE_SEEDING, 1000);
        struct run r = run(options, false);
        assert_int_equal(r.code, EXIT_CODE_COMMAND);
        option_list_free(&options->on_complete, false);
        free(r.text);
    }
}

static void text_for_people_is_harmless_and_without_secrets(void **state)
{
    struct options *options = *state;
    options->json = false;
    fake.log = "tracker http://t/0123456789abcdef0/ said \x1b[31m";
    show(SPATE_STATE_DOWNLOADING, 10);
    show(SPATE_STATE_SEEDING, 1000);
    for (unsigned i = 0; i < 2; i++) {
        snprintf(fake.statuses[i].name, sizeof fake.statuses[i].name, "bad\x1b[2Jname");
    }
    struct run r = run(options, false);
    assert_int_equal(r.code, EXIT_CODE_OK);
    assert_null(strchr(r.text, 0x1b));
    assert_null(strstr(r.text, "0123456789abcdef0"));
    assert_non_null(strstr(r.text, "tracker http://t/***/ said"));
    assert_non_null(strstr(r.text, "bad\\x1b[2Jname: complete"));
    free(r.text);
}

static void quiet_says_nothing_but_errors(void **state)
{
    struct options *options = *state;
    options->json = false;
    options->quiet = true;
    show(SPATE_STATE_DOWNLOADING, 10);
    show(SPATE_STATE_SEEDING, 1000);
    struct run r = run(options, false);
    assert_int_equal(r.code, EXIT_CODE_OK);
    assert_string_equal(r.text, "");
    free(r.text);
    memset(&fake, 0, sizeof fake);
    show(SPATE_STATE_ERROR, 0);
    fake.statuses[0].error = SPATE_EIO;
    r = run(options, false);
    assert_int_equal(r.code, EXIT_CODE_DISK);
    assert_string_equal(r.text, "spate: fake: an error\n");
    free(r.text);
}

static void options_reach_the_library(void **state)
{
    struct options *options = *state;
    option_list_add(&options->trackers, "udp://t:1");
    option_list_add(&options->peers, "127.0.0.1:6881");
    options->directory = "/some/where";
    options->name = "other";
    options->allocation = 1 + SPATE_ALLOCATE_FULL;
    show(SPATE_STATE_SEEDING, 1000);
    struct run r = run(options, false);
    assert_string_equal(fake.added.save_path, "/some/where");
    assert_string_equal(fake.added.name, "other");
    assert_int_equal(fake.added.tracker_count, 1);
    assert_int_equal(fake.added.allocation, 1 + SPATE_ALLOCATE_FULL);
    assert_string_equal(fake.peer, "127.0.0.1:6881");
    option_list_free(&options->trackers, false);
    option_list_free(&options->peers, false);
    free(r.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(success_is_every_byte_durable, set_up),
        cmocka_unit_test_setup(a_full_disk_has_its_own_code, set_up),
        cmocka_unit_test_setup(a_torrent_that_is_refused_decides_the_code, set_up),
        cmocka_unit_test_setup(a_signal_stops_a_download_with_its_own_code, set_up),
        cmocka_unit_test_setup(a_seeder_that_is_stopped_has_succeeded, set_up),
        cmocka_unit_test_setup(a_download_that_is_complete_and_seeds_may_be_stopped, set_up),
        cmocka_unit_test_setup(a_command_runs_once_with_the_facts_around_it, set_up),
        cmocka_unit_test_setup(a_command_that_fails_has_its_own_code, set_up),
        cmocka_unit_test_setup(text_for_people_is_harmless_and_without_secrets, set_up),
        cmocka_unit_test_setup(quiet_says_nothing_but_errors, set_up),
        cmocka_unit_test_setup(options_reach_the_library, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
