/* Bugs planted on purpose (base/plant.h): which one is in force in this process, and who should catch it. */
#ifndef TESTS_SIM_PLANTS_H
#define TESTS_SIM_PLANTS_H

#include "base/plant.h"
#include "checkers.h"

struct plant_row {
    const char *name, *text;
};
/* NULL: there is none of that number. PLANT_NONE is the first. */
const struct plant_row *plants_at(int index);
/* Before anything runs; one a process. */
void plants_choose(enum plant);
/* Whether bugs can be planted in this build at all. */
bool plants_exist(void);

#endif
