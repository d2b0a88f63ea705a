/* The answer of a program that plants nothing. The simulator's program has one of its own, which the linker
 * prefers to this weak one: so the choice lives in the test, and no variable in the library. Part of builds
 * with planted bugs only. */
#include "base/plant.h"

__attribute__((weak)) bool plant_is(enum plant plant)
{
    (void)plant;
    return false;
}
