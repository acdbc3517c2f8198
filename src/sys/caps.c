#include "sys/caps.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/macro.h"

uint64_t caps_known(void)
{
	static uint64_t known;
	int last = 63;

	if (known)
		return known;
	/* Bisect: PR_CAPBSET_READ fails above the last one. */
	for (int low = 0, high = 63; low <= high;) {
		int mid = (low + high) / 2;

		if (prctl(PR_CAPBSET_READ, mid, 0, 0, 0) >= 0) {
			last = mid;
			low = mid + 1;
		} else {
			high = mid - 1;
		}
	}
	known = last >= 63 ? UINT64_MAX : (1ull << (last + 1)) - 1;
	return known;
}

uint64_t caps_effective(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data) < 0)
		return 0;
	return (uint64_t)data[1].effective << 32 | data[0].effective;
}

uint64_t caps_permitted(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data) < 0)
		return 0;
	return (uint64_t)data[1].permitted << 32 | data[0].permitted;
}

bool caps_have(int cap)
{
	return caps_effective() >> cap & 1;
}

int caps_bound(uint64_t keep)
{
	for (int cap = 0; cap < 64; cap++) {
		if (keep >> cap & 1)
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
			continue;
		return errno == EINVAL ? 0 : -errno; /* EINVAL: above the last one */
	}
	return 0;
}

int caps_set(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ (uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable },
		{ (uint32_t)(effective >> 32), (uint32_t)(permitted >> 32),
		  (uint32_t)(inheritable >> 32) },
	};

	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

int caps_set_ambient(uint64_t ambient)
{
	/* EINVAL: a kernel without ambient capabilities, which then has none to clear. */
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		return -errno;
	for (int cap = 0; cap < 64; cap++)
		if (ambient >> cap & 1 &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return -errno;
	return 0;
}
