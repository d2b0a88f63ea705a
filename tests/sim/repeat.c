/* Playing a run a second time: nothing may depend on where memory lies. Blocks of all sizes are taken first, and half
 * of them given back, so that what the second run takes lies in gaps where the first had none. */
#include "repeat.h"

#include <stdlib.h>

enum { BLOCKS = 2000, BLOCK_LEAST = 16, BLOCK_MORE = 3000 };

bool repeat_run(const struct run *first, struct outcome *again)
{
    void *blocks[BLOCKS];
    struct dice dice;
    dice_init(&dice, first->seed);
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(BLOCK_LEAST + dice_below(&dice, BLOCK_MORE));
    }
    for (int i = 0; i < BLOCKS; i++) {
        if (dice_below(&dice, 2)) {
            free(blocks[i]);
            blocks[i] = NULL;
        }
    }
    struct run second = {.scenario = first->scenario, .seed = first->seed, .set = first->set};
    second.outcome = again;
    scenario_run(&second);
    for (int i = 0; i < BLOCKS; i++) {
        free(blocks[i]);
    }
    return again->log_hash == first->outcome->log_hash;
}
