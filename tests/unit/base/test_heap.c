/* The heap against a model that looks at everything. */
#include "base/dice.h"
#include "base/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the above first */
#include <cmocka.h>

enum { NODES = 200, STEPS = 40000 };

struct timer {
    struct heap_node node;
    bool armed;
    int64_t key;
    uint64_t order; /* of arming */
};

static struct timer *model_min(struct timer *timers)
{
    struct timer *least = NULL;
    for (int i = 0; i < NODES; i++) {
        struct timer *t = &timers[i];
        if (t->armed &&
            (!least || t->key < least->key || (t->key == least->key && t->order < least->order))) {
            least = t;
        }
    }
    return least;
}

/* Everything below a node comes after it and is linked both ways. Counts the nodes. */
static size_t check_links(const struct heap_node *node)
{
    size_t count = 1;
    const struct heap_node *previous = node;
    for (const struct heap_node *child = node->child; child; child = child->next) {
        assert_ptr_equal(child->previous, previous);
        assert_true(node->key < child->key ||
                    (node->key == child->key && node->sequence < child->sequence));
        count += check_links(child);
        previous = child;
    }
    return count;
}

static void random_arming_and_disarming_agrees_with_the_model(void **state)
{
    (void)state;
    static struct timer timers[NODES];
    struct heap heap = {0};
    struct dice dice;
    dice_init(&dice, 2);
    size_t armed = 0;
    for (uint64_t step = 0; step < STEPS; step++) {
        /* Long stretches of mostly arming, then of mostly disarming. */
        bool arm = dice_below(&dice, 4) < (step / 500 % 2 ? 3u : 1u);
        struct timer *t = &timers[dice_below(&dice, NODES)];
        if (arm && !t->armed) {
            t->key = (int64_t)dice_below(&dice, 50) - 25;
            t->order = step;
            t->armed = true;
            armed++;
            heap_insert(&heap, &t->node, t->key);
        } else if (!arm && armed > 0) {
            if (!t->armed || dice_below(&dice, 2)) {
                t = model_min(timers);
            }
            heap_remove(&heap, &t->node);
            t->armed = false;
            armed--;
        }
        struct timer *least = model_min(timers);
        assert_ptr_equal(heap_min(&heap), least ? &least->node : NULL);
        assert_int_equal(heap.count, armed);
        if (step % 100 == 0) {
            assert_int_equal(heap.root ? check_links(heap.root) : 0, armed);
        }
    }
}

static void equal_deadlines_leave_in_the_order_they_were_armed(void **state)
{
    (void)state;
    static struct timer timers[NODES];
    struct heap heap = {0};
    for (int i = 0; i < NODES; i++) {
        heap_insert(&heap, &timers[i].node, 7);
    }
    for (int i = 0; i < NODES; i++) {
        assert_ptr_equal(heap_min(&heap), &timers[i].node);
        heap_remove(&heap, heap_min(&heap));
    }
    assert_null(heap_min(&heap));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_arming_and_disarming_agrees_with_the_model),
        cmocka_unit_test(equal_deadlines_leave_in_the_order_they_were_armed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
