/* sys/caps: capabilities of the calling process, by raw system calls (capabilities(7)).
 * Sets are bit masks. Leaf tier: 0 or -errno. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Bits of the capabilities this kernel knows. */
uint64_t caps_known(void);
/* The effective set of this process; 0 when it cannot be read. */
uint64_t caps_effective(void);
uint64_t caps_permitted(void);
bool caps_have(int cap);
/* Drop from the bounding set all that is not in keep. */
int caps_bound(uint64_t keep);
int caps_set(uint64_t effective, uint64_t permitted, uint64_t inheritable);
/* Clear the ambient set, then raise these. */
int caps_set_ambient(uint64_t ambient);
