#include "prove.h"
int prove_run(const char *program, int workers, bool quiet)
{
    (void)program;
    (void)workers;
    (void)quiet;
    return 2;
}
