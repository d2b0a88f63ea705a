/* The meeting place of loop and threads: nothing is lost, everything is bounded. */
#include "engine/hub.h"

#include "base/limits.h"
#include "engine/torrent_options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

static const uint64_t seed[2] = {1, 2};

/* A torrent of one file of one byte; the number makes the info-hash. */
static struct metainfo metainfo_of(uint32_t number)
{
    static const char format[] = "d4:infod6:lengthi1e4:name8:%08x12:piece lengthi16384e6:pieces20:"
                                 "aaaaaaaaaaaaaaaaaaaaee";
    char text[200];
    struct metainfo m;
    struct spate_error error = {.size = sizeof error};
    int size = snprintf(text, sizeof text, format, number);
    assert_int_equal(metainfo_parse(&m, span_of((const uint8_t *)text, (size_t)size), &error), 0);
    return m;
}

static struct view *add(struct hub *hub, uint32_t number)
{
    struct view *view;
    struct metainfo m = metainfo_of(number);
    assert_int_equal(hub_add_view(hub, &m, NULL, &view), 0);
    return view;
}

static void every_aspect_of_a_torrent_is_told_once_and_in_one_event(void **state)
{
    (void)state;
    struct hub hub;
    struct spate_event event = {.size = sizeof event};
    assert_int_equal(hub_init(&hub, seed, true), 0);
    struct view *a = add(&hub, 1), *b = add(&hub, 2);
    for (int i = 0; i < 1000; i++) {
        hub_notify(&hub, a, SPATE_CHANGED_PROGRESS);
        hub_notify(&hub, b, SPATE_CHANGED_STATE);
        hub_notify(&hub, a, SPATE_CHANGED_TRACKERS);
    }
    assert_int_equal(hub_wait(&hub, -1, 0), 1);
    assert_true(hub_next_event(&hub, &event));
    assert_int_equal(event.torrent, a->id);
    assert_int_equal(event.changed, SPATE_CHANGED_PROGRESS | SPATE_CHANGED_TRACKERS);
    assert_true(hub_next_event(&hub, &event));
    assert_int_equal(event.torrent, b->id);
    assert_int_equal(event.changed, SPATE_CHANGED_STATE);
    assert_false(hub_next_event(&hub, &event));
    assert_int_equal(hub_wait(&hub, -1, 0), 0);
    hub_release(&hub, a);
    hub_release(&hub, b);
    hub_deinit(&hub);
}

static void the_last_event_of_a_removed_torrent_outlives_it(void **state)
{
    (void)state;
    struct hub hub;
    struct spate_event event = {.size = sizeof event};
    assert_int_equal(hub_init(&hub, seed, false), 0);
    struct view *view = add(&hub, 1);
    spate_torrent id = view->id;
    struct view *reader = hub_find(&hub, id);
    assert_ptr_equal(reader, view);
    hub_remove_view(&hub, view);
    assert_null(hub_find(&hub, id));
    hub_release(&hub, view); /* the loop's */
    assert_int_equal(reader->status.state, SPATE_STATE_REMOVED);
    hub_release(&hub, reader);
    assert_true(hub_next_event(&hub, &event));
    assert_int_equal(event.torrent, id);
    assert_true(event.changed & SPATE_CHANGED_REMOVED);
    assert_false(hub_next_event(&hub, &event));
    hub_deinit(&hub);
}

static void nothing_is_told_of_a_torrent_after_its_last_event(void **state)
{
    (void)state;
    struct hub hub;
    struct spate_event event = {.size = sizeof event};
    assert_int_equal(hub_init(&hub, seed, false), 0);
    struct view *view = add(&hub, 1);
    hub_remove_view(&hub, view);
    assert_true(hub_next_event(&hub, &event));
    assert_true(event.changed & SPATE_CHANGED_REMOVED);
    hub_notify(&hub, view, SPATE_CHANGED_STATE); /* it is still ending */
    assert_false(hub_next_event(&hub, &event));
    hub_release(&hub, view);
    hub_deinit(&hub);
}

static void a_torrent_that_the_loop_never_heard_of_is_not_there(void **state)
{
    (void)state;
    struct hub hub;
    assert_int_equal(hub_init(&hub, seed, false), 0);
    struct view *view = add(&hub, 1);
    spate_torrent id = view->id;
    hub_withdraw_view(&hub, view);
    assert_null(hub_find(&hub, id));
    assert_false(hub_has_news(&hub));
    hub_release(&hub, add(&hub, 1)); /* it can be added after all */
    hub_deinit(&hub);
}

static void a_torrent_is_there_once_and_may_come_back(void **state)
{
    (void)state;
    struct hub hub;
    struct view *twin;
    assert_int_equal(hub_init(&hub, seed, false), 0);
    struct view *view = add(&hub, 7);
    struct metainfo again = metainfo_of(7);
    assert_int_equal(hub_add_view(&hub, &again, NULL, &twin), SPATE_EEXIST);
    spate_torrent id = view->id;
    hub_remove_view(&hub, view);
    hub_release(&hub, view);
    view = add(&hub, 7);
    assert_true(view->id != id);
    hub_release(&hub, view);
    hub_deinit(&hub);
}

static void messages_are_bounded_and_stay_in_order(void **state)
{
    (void)state;
    struct hub hub;
    assert_int_equal(hub_init(&hub, seed, false), 0);
    for (uint32_t i = 0; i < LIMIT_COMMANDS + 1; i++) {
        struct command *command = calloc(1, sizeof *command);
        assert_non_null(command);
        command->type = COMMAND_ANNOUNCE;
        command->torrent = i;
        int status = hub_post(&hub, command);
        assert_int_equal(status, i < LIMIT_COMMANDS ? 0 : SPATE_ELIMIT);
        if (status) {
            command_destroy(command);
        }
    }
    for (uint32_t i = 0; i < 10; i++) {
        struct command *command = hub_take_command(&hub);
        assert_int_equal(command->torrent, i);
        command_destroy(command);
    }
    hub_deinit(&hub); /* the rest goes with it */
}

static void the_log_keeps_the_latest_and_says_how_many_it_lost(void **state)
{
    (void)state;
    struct hub hub;
    struct spate_log_entry entry = {.size = sizeof entry};
    assert_int_equal(hub_init(&hub, seed, true), 0);
    for (uint32_t i = 0; i < LIMIT_LOG_ENTRIES + 5; i++) {
        char text[20];
        snprintf(text, sizeof text, "entry %u", i);
        hub_log(&hub, SPATE_LOG_INFO, 0, i, text);
    }
    assert_true(hub_next_log(&hub, &entry));
    assert_int_equal(entry.lost, 5);
    assert_string_equal(entry.text, "entry 5");
    assert_true(hub_next_log(&hub, &entry));
    assert_int_equal(entry.lost, 0);
    uint32_t left = 0;
    while (hub_next_log(&hub, &entry)) {
        left++;
    }
    assert_int_equal(left, LIMIT_LOG_ENTRIES - 2);
    assert_int_equal(hub_wait(&hub, -1, 0), 0);
    hub_deinit(&hub);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_aspect_of_a_torrent_is_told_once_and_in_one_event),
        cmocka_unit_test(the_last_event_of_a_removed_torrent_outlives_it),
        cmocka_unit_test(nothing_is_told_of_a_torrent_after_its_last_event),
        cmocka_unit_test(a_torrent_that_the_loop_never_heard_of_is_not_there),
        cmocka_unit_test(a_torrent_is_there_once_and_may_come_back),
        cmocka_unit_test(messages_are_bounded_and_stay_in_order),
        cmocka_unit_test(the_log_keeps_the_latest_and_says_how_many_it_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
