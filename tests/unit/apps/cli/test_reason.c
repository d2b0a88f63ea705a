/* Why nothing comes, in words. */
#include "apps/cli/reason.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *reason(const struct spate_status *s, const struct spate_tracker_status *trackers,
                          unsigned count)
{
    static char text[512];
    return reason_compose(s, trackers, count, text, sizeof text);
}

static void nobody_known_is_said(void **state)
{
    (void)state;
    struct spate_status s = {.next_announce_s = -1};
    assert_string_equal(reason(&s, NULL, 0), "no peers known; it has no tracker");
    snprintf(s.message, sizeof s.message, "no peers known; there is no tracker to ask");
    assert_string_equal(reason(&s, NULL, 0), s.message);
}

static void what_the_library_says_comes_first(void **state)
{
    (void)state;
    struct spate_tracker_status tracker = {.error = 0};
    struct spate_status s = {
        .message = "all peers choke us", .peers = 3, .peers_known = 9, .next_announce_s = 90};
    assert_string_equal(
        reason(&s, &tracker, 1),
        "all peers choke us; 3 peers connected, none lets us download; next announce in 1m 30s");
}

static void a_trackers_words_are_given(void **state)
{
    (void)state;
    struct spate_tracker_status tracker = {
        .error = SPATE_ETRACKER, .url = "http://t/a", .message = "go away"};
    struct spate_status s = {.peers_known = 1, .next_announce_s = -1};
    assert_string_equal(reason(&s, &tracker, 1),
                        "none of 1 known peer is connected; tracker http://t/a says: go away");
    snprintf(s.message, sizeof s.message, "no peer answers; go away");
    assert_string_equal(reason(&s, &tracker, 1),
                        "no peer answers; go away; none of 1 known peer is connected");
}

static void it_fits_wherever_it_has_to(void **state)
{
    (void)state;
    struct spate_tracker_status tracker = {.error = SPATE_ETRACKER};
    struct spate_status s = {.peers = 1, .peers_unchoking = 1, .next_announce_s = 5};
    memset(s.message, 'm', sizeof s.message - 1);
    memset(tracker.message, 't', sizeof tracker.message - 1);
    memset(tracker.url, 'u', sizeof tracker.url - 1);
    char text[300];
    for (size_t size = 1; size <= sizeof text; size++) {
        reason_compose(&s, &tracker, 1, text, size);
        assert_true(strlen(text) < size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_known_is_said),
        cmocka_unit_test(what_the_library_says_comes_first),
        cmocka_unit_test(a_trackers_words_are_given),
        cmocka_unit_test(it_fits_wherever_it_has_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
