/* Lists keep their order, and a node knows whether it is in one. */
#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

struct item {
    int number;
    struct list link;
};

static void order_is_kept_and_nodes_may_leave_while_walking(void **state)
{
    (void)state;
    struct list head;
    struct item items[6];
    list_init(&head);
    assert_true(list_empty(&head));
    assert_null(list_first(&head));
    assert_null(list_pop_front(&head));
    for (int i = 0; i < 6; i++) {
        items[i].number = i;
        list_init(&items[i].link);
        assert_false(list_linked(&items[i].link));
    }
    for (int i = 3; i < 6; i++) {
        list_push_back(&head, &items[i].link);
    }
    for (int i = 2; i >= 0; i--) {
        list_push_front(&head, &items[i].link);
    }
    int expected = 0;
    list_for_each_safe (node, &head) {
        struct item *item = list_entry(node, struct item, link);
        assert_int_equal(item->number, expected++);
        if (item->number % 2) {
            list_remove(node);
            assert_false(list_linked(node));
            list_remove(node); /* again is allowed */
        }
    }
    assert_int_equal(expected, 6);
    expected = 0;
    list_for_each (node, &head) {
        assert_int_equal(list_entry(node, struct item, link)->number, expected);
        expected += 2;
    }
    assert_ptr_equal(list_pop_front(&head), &items[0].link);
    assert_ptr_equal(list_first(&head), &items[2].link);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_is_kept_and_nodes_may_leave_while_walking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
