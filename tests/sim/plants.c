/* The bug in force: one a process, chosen before anything runs, and read by base/plant.h's question. */
#include "plants.h"

#include <stddef.h>

const struct plant_row *plants_at(int index)
{
    static const struct plant_row rows[] = {{"none", "no bug"},
#define PLANT_ROW(name, option, text) {option, text},
                                            PLANT_MAP(PLANT_ROW)
#undef PLANT_ROW
    };
    return index < (int)(sizeof rows / sizeof *rows) ? &rows[index] : NULL;
}

#ifdef SPATE_PLANTS
static enum plant chosen;

bool plant_is(enum plant plant)
{
    return chosen == plant;
}

void plants_choose(enum plant plant)
{
    chosen = plant;
}

bool plants_exist(void)
{
    return true;
}
#else
void plants_choose(enum plant plant)
{
    (void)plant;
}

bool plants_exist(void)
{
    return false;
}
#endif
