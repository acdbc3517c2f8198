/* Limits and annotations as properties of a systemd unit (systemd.resource-control(5)). */
#include "runtime/systemd-scope.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/xalloc.h"
#include "sys/cgroup-convert.h"
#include "sys/cgroup.h"

#define INFINITE    UINT64_MAX /* systemd's "infinity" */
#define IS_SET(n)   ((n) != OCI_UNSET)
#define IS_GIVEN(n) (IS_SET(n) && (n) != 0)
#define CPU_BYTES   1024 /* of a mask: 8192 CPUs, the kernel's most */
#define PREFIX      "org.systemd.property."

static void put_name(struct dbus_writer *w, const char *name, const char *signature)
{
	dbus_open_struct(w);
	dbus_put_string(w, name);
	dbus_put_signature(w, signature);
}

void scope_put_string(struct dbus_writer *w, const char *name, const char *value)
{
	put_name(w, name, "s");
	dbus_put_string(w, value);
}

void scope_put_bool(struct dbus_writer *w, const char *name, bool value)
{
	put_name(w, name, "b");
	dbus_put_bool(w, value);
}

static void put_u64(struct dbus_writer *w, const char *name, uint64_t value)
{
	put_name(w, name, "t");
	dbus_put_u64(w, value);
}

static uint64_t limit(int64_t value)
{
	return value < 0 ? INFINITE : (uint64_t)value;
}

static int put_mask(struct dbus_writer *w, const char *name, const char *list, struct err *err)
{
	uint8_t mask[CPU_BYTES];
	int n = cgroup_cpu_mask(list, mask, CPU_BYTES);
	size_t array;

	if (n < 0)
		return err_set(err, E_INVALID, "linux.resources: '%s' is not a list such as 0-3,7",
		               list);
	put_name(w, name, "ay");
	array = dbus_open_array(w, 1);
	for (int i = 0; i < n; i++)
		dbus_put_byte(w, mask[i]);
	dbus_close_array(w, array, 1);
	return 0;
}

/* systemd thinks in microseconds for each second, and rounds up to whole percents. */
static void put_quota(struct dbus_writer *w, int64_t quota, int64_t period)
{
	uint64_t per_second = INFINITE;

	if (period > 0)
		put_u64(w, "CPUQuotaPeriodUSec", (uint64_t)period);
	else
		period = 100000;
	if (quota > 0) {
		per_second = (uint64_t)((__int128)quota * 1000000 / period);
		per_second = (per_second + 9999) / 10000 * 10000;
	}
	put_u64(w, "CPUQuotaPerSecUSec", per_second);
}

static void put_memory(struct dbus_writer *w, const struct oci_resources *r)
{
	bool v2 = cgroup_layout_get()->on_v2 & CGROUP_BIT(CGROUP_MEMORY);
	int64_t swap;

	if (IS_GIVEN(r->memory_limit))
		put_u64(w, v2 ? "MemoryMax" : "MemoryLimit", limit(r->memory_limit));
	if (!v2)
		return;
	if (IS_GIVEN(r->memory_reservation))
		put_u64(w, "MemoryLow", limit(r->memory_reservation));
	/* what cannot be computed here is refused when the file is written */
	if (IS_GIVEN(r->memory_swap) && IS_GIVEN(r->memory_limit) &&
	    cgroup_swap_limit(r->memory_swap, r->memory_limit, &swap) == 0)
		put_u64(w, "MemorySwapMax", limit(swap));
}

static int put_cpu(struct dbus_writer *w, const struct oci_resources *r, struct err *err)
{
	bool v2 = cgroup_layout_get()->on_v2 & CGROUP_BIT(CGROUP_CPU);

	if (IS_GIVEN(r->cpu_shares) && !v2)
		put_u64(w, "CPUShares", (uint64_t)r->cpu_shares);
	else if (IS_GIVEN(r->cpu_shares) && !IS_GIVEN(r->cpu_idle))
		put_u64(w, "CPUWeight", cgroup_cpu_weight((uint64_t)r->cpu_shares));
	if (IS_GIVEN(r->cpu_quota))
		put_quota(w, r->cpu_quota, IS_GIVEN(r->cpu_period) ? r->cpu_period : 0);
	else if (IS_GIVEN(r->cpu_period))
		put_u64(w, "CPUQuotaPeriodUSec", (uint64_t)r->cpu_period);
	if (!v2)
		return 0; /* systemd has no cpusets on v1 */
	if (r->cpuset_cpus && *r->cpuset_cpus &&
	    put_mask(w, "AllowedCPUs", r->cpuset_cpus, err) < 0)
		return -1;
	if (r->cpuset_mems && *r->cpuset_mems)
		return put_mask(w, "AllowedMemoryNodes", r->cpuset_mems, err);
	return 0;
}

/* Files of v2 that systemd would set back when it looks at the unit again. The others are only
 * written. */
static int put_unified(struct dbus_writer *w, const struct oci_resources *r, struct err *err)
{
	/* clang-format off */
	static const struct { const char *file, *property; } numbers[] = {
		{ "memory.min", "MemoryMin" }, { "memory.low", "MemoryLow" },
		{ "memory.high", "MemoryHigh" }, { "memory.max", "MemoryMax" },
		{ "memory.swap.max", "MemorySwapMax" }, { "pids.max", "TasksMax" },
		{ "cpu.weight", "CPUWeight" },
	};
	/* clang-format on */

	for (size_t i = 0; i < r->n_unified; i++) {
		const char *key = r->unified[i].key, *value = r->unified[i].value;
		uint64_t n = INFINITE;

		if (strcmp(key, "cpuset.cpus") == 0 && put_mask(w, "AllowedCPUs", value, err) < 0)
			return -1;
		if (strcmp(key, "cpuset.mems") == 0 &&
		    put_mask(w, "AllowedMemoryNodes", value, err) < 0)
			return -1;
		for (size_t j = 0; j < ARRAY_LEN(numbers); j++)
			if (strcmp(key, numbers[j].file) == 0 &&
			    (strcmp(value, "max") == 0 || parse_u64(value, &n) == 0))
				put_u64(w, numbers[j].property, n == 0 && *key == 'p' ? 1 : n);
		if (strcmp(key, "cpu.max") == 0) {
			char *end;
			int64_t quota = strtoll(value, &end, 10); /* 0 for "max" */

			put_quota(w, quota, strtoll(end + strspn(end, "max "), NULL, 10));
		}
	}
	return 0;
}

/* systemd filters devices, too, and both filters have to agree. Rules that it can say are given to
 * it; where there are others ours alone counts. */
static bool rules_are_simple(const struct oci_resources *r)
{
	for (size_t i = 0; i < r->n_devices; i++) {
		const struct oci_device_rule *d = &r->devices[i];
		bool all = d->type == 'a' && !IS_SET(d->major) && !IS_SET(d->minor);

		if (i == 0 && !d->allow && all)
			continue;
		if (i == 0 || !d->allow || d->type == 'a' ||
		    (IS_SET(d->minor) && !IS_SET(d->major)))
			return false;
		/* one of many devices: by a name from /proc/devices, which may not be there */
		if (IS_SET(d->major) && !IS_SET(d->minor) && d->major != 136)
			return false;
	}
	return r->n_devices > 0;
}

static void put_device(struct dbus_writer *w, const struct oci_device_rule *d)
{
	const char *kind = d->type == 'b' ? "block" : "char";
	char name[64];

	if (!IS_SET(d->major))
		snprintf(name, sizeof(name), "%s-*", kind);
	else if (!IS_SET(d->minor))
		snprintf(name, sizeof(name), "char-pts");
	else
		snprintf(name, sizeof(name), "/dev/%s/%lld:%lld", kind, (long long)d->major,
		         (long long)d->minor);
	dbus_open_struct(w);
	dbus_put_string(w, name);
	dbus_put_string(w, d->access);
}

static void put_devices(struct dbus_writer *w, const struct oci_resources *r)
{
	/* what devices.c adds for every container */
	static const struct oci_device_rule always[] = {
		{ true, 'c', OCI_UNSET, OCI_UNSET, "m" },
		{ true, 'b', OCI_UNSET, OCI_UNSET, "m" },
		{ true, 'c', 1, 3, "rwm" },
		{ true, 'c', 1, 5, "rwm" },
		{ true, 'c', 1, 7, "rwm" },
		{ true, 'c', 1, 8, "rwm" },
		{ true, 'c', 1, 9, "rwm" },
		{ true, 'c', 5, 0, "rwm" },
		{ true, 'c', 5, 2, "rwm" },
		{ true, 'c', 136, OCI_UNSET, "rwm" },
	};
	bool simple = rules_are_simple(r);
	size_t list;

	if (!r->n_devices)
		return;
	scope_put_string(w, "DevicePolicy", simple ? "strict" : "auto");
	put_name(w, "DeviceAllow", "a(ss)");
	list = dbus_open_array(w, 8); /* empty: whatever was there goes */
	dbus_close_array(w, list, 8);
	if (!simple)
		return;
	put_name(w, "DeviceAllow", "a(ss)");
	list = dbus_open_array(w, 8);
	for (size_t i = 1; i < r->n_devices; i++)
		put_device(w, &r->devices[i]);
	for (size_t i = 0; i < ARRAY_LEN(always); i++)
		put_device(w, &always[i]);
	dbus_close_array(w, list, 8);
}

int scope_put_resources(struct dbus_writer *w, const struct oci_resources *r, struct err *err)
{
	put_memory(w, r);
	if (put_cpu(w, r, err) < 0)
		return -1;
	/* 0 is not among systemd's numbers; the file gets it */
	if (IS_SET(r->pids_limit))
		put_u64(w, "TasksMax", r->pids_limit ? limit(r->pids_limit) : 1);
	put_devices(w, r);
	return put_unified(w, r, err);
}

/* ---- annotations ---- */

/* Nothing that runs something, names other units to be started, or reaches beyond the scope. */
static const char *const allowed[] = {
	"CollectMode",
	"Description",
	"FinalKillSignal",
	"KillMode",
	"KillSignal",
	"ManagedOOMMemoryPressure",
	"ManagedOOMMemoryPressureLimit",
	"ManagedOOMPreference",
	"ManagedOOMSwap",
	"OOMPolicy",
	"RuntimeMaxUSec",
	"SendSIGHUP",
	"SendSIGKILL",
	"TimeoutStopUSec",
	"CPUWeight",
	"StartupCPUWeight",
	"IOWeight",
	"StartupIOWeight",
	"MemoryMin",
	"MemoryLow",
	"MemoryHigh",
	"MemoryMax",
	"MemorySwapMax",
	"TasksMax",
	"DefaultMemoryLow",
	"DefaultMemoryMin",
};

static int bad_value(const char *key, const char *value, struct err *err)
{
	return err_set(err, E_INVALID,
	               "annotation %s: '%s' is no value that systemd takes: true, false, a number, "
	               "'uint64 N' or a string in single quotes",
	               key, value);
}

/* "uint64 5", "5": its type and the number. */
static int parse_number(const char *value, char *ret_type, int64_t *ret_signed, uint64_t *ret)
{
	/* clang-format off */
	static const struct { const char *name; char type; } types[] = {
		{ "uint64 ", 't' }, { "int64 ", 'x' }, { "uint32 ", 'u' }, { "int32 ", 'i' },
	};
	/* clang-format on */

	*ret_type = 'i';
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (strncmp(value, types[i].name, strlen(types[i].name)) == 0) {
			*ret_type = types[i].type;
			value += strlen(types[i].name);
			break;
		}
	if (parse_u64(value, ret) == 0) {
		*ret_signed = *ret <= INT64_MAX ? (int64_t)*ret : INT64_MAX;
		return 0;
	}
	*ret = 0;
	return parse_i64(value, ret_signed);
}

static int put_number(struct dbus_writer *w, const char *key, const char *name, const char *value,
                      struct err *err)
{
	char type;
	int64_t n;
	uint64_t u;
	char signature[2] = { 0 };

	if (parse_number(value, &type, &n, &u) < 0)
		return bad_value(key, value, err);
	if (((type == 'i' || type == 'u') && (n < INT32_MIN || n > UINT32_MAX)) ||
	    (type == 'i' && n > INT32_MAX) || ((type == 'u' || type == 't') && n < 0))
		return bad_value(key, value, err);
	signature[0] = type;
	put_name(w, name, signature);
	if (type == 'i' || type == 'u')
		dbus_put_u32(w, (uint32_t)n);
	else
		dbus_put_u64(w, n < 0 ? (uint64_t)n : u);
	return 0;
}

/* "5" seconds of a property whose own unit is microseconds. */
static int put_seconds(struct dbus_writer *w, const char *key, const char *name, const char *value,
                       struct err *err)
{
	char *end;
	double seconds = strtod(value, &end);

	if (end == value || *end || !(seconds >= 0 && seconds < 1e12))
		return bad_value(key, value, err);
	put_u64(w, name, (uint64_t)(seconds * 1e6));
	return 0;
}

static int put_value(struct dbus_writer *w, const char *key, const char *name, const char *value,
                     struct err *err)
{
	size_t len = strlen(value);

	if (strcmp(value, "true") == 0 || strcmp(value, "false") == 0) {
		scope_put_bool(w, name, value[0] == 't');
		return 0;
	}
	if ((value[0] == '\'' || value[0] == '"') && len >= 2 && value[len - 1] == value[0]) {
		AUTO_FREE char *text = xstrndup(value + 1, len - 2);

		if (strpbrk(text, "\\'\""))
			return bad_value(key, value, err);
		scope_put_string(w, name, text);
		return 0;
	}
	return put_number(w, key, name, value, err);
}

static bool is_allowed(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(allowed); i++)
		if (strcmp(name, allowed[i]) == 0)
			return true;
	return false;
}

int scope_put_annotations(struct dbus_writer *w, const struct oci_spec *spec, struct err *err)
{
	for (size_t i = 0; i < spec->n_annotations; i++) {
		const char *key = spec->annotations[i].key, *value = spec->annotations[i].value;
		AUTO_FREE char *name = NULL;
		size_t len;
		bool seconds = false;

		if (strncmp(key, PREFIX, strlen(PREFIX)) != 0)
			continue;
		name = xstrdup(key + strlen(PREFIX));
		len = strlen(name);
		/* TimeoutStopSec, as unit files have it, is TimeoutStopUSec on the bus. */
		if (len > 3 && strcmp(name + len - 3, "Sec") == 0 && name[len - 4] != 'U') {
			AUTO_FREE char *sec = name;

			name = xasprintf("%.*sUSec", (int)len - 3, sec);
			seconds = true;
		}
		if (!is_allowed(name)) {
			err_set(err, E_PERM,
			        "annotation %s: this property may not be set for a container", key);
			return err_hint(err, "see dhow-oci(8) for those that may");
		}
		if ((seconds ? put_seconds : put_value)(w, key, name, value, err) < 0)
			return -1;
	}
	return 0;
}
