/* dhow: the command line. */
#include <malloc.h>

#include "cli/cli.h"

int main(int argc, char **argv)
{
	/* Most commands need less than this: one request to the kernel instead of ten. */
	mallopt(M_TOP_PAD, 1 << 20);
	return cli_main(argc, argv);
}
