#include "oci/platform.h"
#include <ctype.h>
#include <errno.h>
#include <sys/utsname.h>

struct alias {
	const char *name;
	const char *architecture;
	const char *variant; /* given when the name implies one */
};

static const struct alias aliases[] = {
	{ "x86_64", "amd64", NULL },
	{ "x86-64", "amd64", NULL },
	{ "aarch64", "arm64", NULL },
	{ "i386", "386", NULL },
	{ "i486", "386", NULL },
	{ "i586", "386", NULL },
	{ "i686", "386", NULL },
	{ "x86", "386", NULL },
	{ "armhf", "arm", "v7" },
	{ "armel", "arm", "v6" },
	{ "armv5l", "arm", "v5" },
	{ "armv6l", "arm", "v6" },
	{ "armv7l", "arm", "v7" },
	{ "armv7", "arm", "v7" },
	{ "loongarch64", "loong64", NULL },
	{ "powerpc64le", "ppc64le", NULL },
};

static const char *const architectures[] = {
	"386",      "amd64",  "arm",   "arm64",   "loong64", "mips",  "mips64",
	"mips64le", "mipsle", "ppc64", "ppc64le", "riscv64", "s390x", "wasm",
};

static bool is_architecture(const char *s)
{
	for (size_t i = 0; i < ARRAY_LEN(architectures); i++)
		if (strcmp(architectures[i], s) == 0)
			return true;
	for (size_t i = 0; i < ARRAY_LEN(aliases); i++)
		if (strcmp(aliases[i].name, s) == 0)
			return true;
	return false;
}

static void set(char *field, size_t size, const char *value)
{
	snprintf(field, size, "%s", value);
}

static void normalise(struct platform *p)
{
	for (size_t i = 0; i < ARRAY_LEN(aliases); i++)
		if (strcmp(aliases[i].name, p->architecture) == 0) {
			set(p->architecture, sizeof(p->architecture), aliases[i].architecture);
			if (aliases[i].variant && !p->variant[0])
				set(p->variant, sizeof(p->variant), aliases[i].variant);
			break;
		}
	/* "7" and "v7" are both written */
	if (isdigit((unsigned char)p->variant[0]) && !p->variant[1]) {
		char digit = p->variant[0];

		snprintf(p->variant, sizeof(p->variant), "v%c", digit);
	}
	if (strcmp(p->architecture, "arm") == 0 && !p->variant[0])
		set(p->variant, sizeof(p->variant), "v7");
	if ((strcmp(p->architecture, "arm64") == 0 && strcmp(p->variant, "v8") == 0) ||
	    (strcmp(p->architecture, "amd64") == 0 && strcmp(p->variant, "v1") == 0))
		p->variant[0] = '\0';
}

static int set_field(char *field, size_t size, const char *value, const char *what, bool lower,
                     struct err *err)
{
	size_t n = 0;

	for (const char *s = value ? value : ""; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (n + 1 >= size)
			return err_set(err, E_LIMIT, "platform: the %s is longer than %zu bytes",
			               what, size - 1);
		if (!isgraph(c) || c == '/')
			return err_set(err, E_INVALID, "platform: bad character in the %s", what);
		field[n++] = (char)(lower ? tolower(c) : c);
	}
	field[n] = '\0';
	return 0;
}

int platform_set(struct platform *ret, const char *os, const char *architecture,
                 const char *variant, const char *os_version, struct err *err)
{
	struct platform p = { 0 };

	if (set_field(p.os, sizeof(p.os), os, "operating system", true, err) < 0 ||
	    set_field(p.architecture, sizeof(p.architecture), architecture, "architecture", true,
	              err) < 0 ||
	    set_field(p.variant, sizeof(p.variant), variant, "variant", true, err) < 0 ||
	    set_field(p.os_version, sizeof(p.os_version), os_version, "version", false, err) < 0)
		return -1;
	normalise(&p);
	*ret = p;
	return 0;
}

static int bad(const char *s, struct err *err)
{
	err_set(err, E_INVALID, "bad platform '%s'", s);
	return err_hint(err, "write it as OS/ARCHITECTURE[/VARIANT], such as linux/arm64");
}

int platform_parse(const char *s, struct platform *ret, struct err *err)
{
	struct platform host = platform_host();
	const char *part[3] = { NULL, NULL, NULL };
	char buf[128];
	size_t n = 0;

	if (!*s || strlen(s) >= sizeof(buf))
		return bad(s, err);
	set(buf, sizeof(buf), s);
	for (char *p = buf; p; n++) {
		char *slash = strchr(p, '/');

		if (slash)
			*slash++ = '\0';
		if (n == ARRAY_LEN(part) || !*p)
			return bad(s, err);
		part[n] = p;
		p = slash;
	}
	if (n == 1 && is_architecture(part[0])) {
		part[1] = part[0];
		part[0] = "linux";
	} else if (n == 1) {
		part[1] = host.architecture;
		part[2] = host.variant;
	}
	if (platform_set(ret, part[0], part[1], part[2], NULL, err) < 0)
		return err_ctx(err, "'%s'", s);
	return 0;
}

#if defined(__x86_64__)
/* The x86-64 psABI's levels, told by a feature or two that each brought. */
static const char *amd64_level(void)
{
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	    __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
	    __builtin_cpu_supports("avx512vl"))
		return "v4";
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
	    __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma"))
		return "v3";
	if (__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt"))
		return "v2";
	return "";
}
#endif

struct platform platform_host(void)
{
	struct platform p = { 0 };
	struct utsname u;

	set(p.os, sizeof(p.os), "linux");
	if (uname(&u) < 0 || strlen(u.machine) >= sizeof(p.architecture))
		return p;
	snprintf(p.architecture, sizeof(p.architecture), "%.31s", u.machine);
	normalise(&p);
#if defined(__x86_64__)
	if (strcmp(p.architecture, "amd64") == 0)
		set(p.variant, sizeof(p.variant), amd64_level());
#endif
	return p;
}

struct platform_text platform_format(const struct platform *p)
{
	struct platform_text t;

	snprintf(t.s, sizeof(t.s), "%s/%s%s%s", p->os, p->architecture, p->variant[0] ? "/" : "",
	         p->variant);
	return t;
}

/* The number of a variant "vN"; `none` when there is no variant; -1 when it is something else. */
static int level(const struct platform *p, int none)
{
	if (!p->variant[0])
		return none;
	if (p->variant[0] == 'v' && isdigit((unsigned char)p->variant[1]) && !p->variant[2])
		return p->variant[1] - '0';
	return -1;
}

int platform_rank(const struct platform *want, const struct platform *have)
{
	int w, h, none;

	if (strcmp(want->os, have->os) != 0 || strcmp(want->architecture, have->architecture) != 0)
		return -1;
	if (strcmp(want->variant, have->variant) == 0)
		return 0;
	if (strcmp(want->architecture, "amd64") == 0)
		none = 1;
	else if (strcmp(want->architecture, "arm") == 0)
		none = 7;
	else if (strcmp(want->architecture, "arm64") == 0)
		none = 8;
	else
		return have->variant[0] ? -1 : 1;
	w = level(want, none);
	h = level(have, none);
	/* a newer CPU runs what was made for an older one */
	if (w < 0 || h < 0 || h > w)
		return -1;
	return w - h;
}
