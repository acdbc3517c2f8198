/* Which section of the runtime specification a fault of config.json is about. */
#include "oci/spec.h"

#include <string.h>

/* clang-format off */
static const struct { const char *path, *section; } sections[] = {
	{ "annotations", "config.md, \"Annotations\"" },
	{ "domainname", "config.md, \"Domainname\"" },
	{ "hooks", "config.md, \"POSIX-platform Hooks\"" },
	{ "hostname", "config.md, \"Hostname\"" },
	{ "linux", "config-linux.md" },
	{ "linux.cgroupsPath", "config-linux.md, \"Cgroups Path\"" },
	{ "linux.devices", "config-linux.md, \"Devices\"" },
	{ "linux.gidMappings", "config-linux.md, \"User namespace mappings\"" },
	{ "linux.intelRdt", "config-linux.md, \"IntelRdt\"" },
	{ "linux.maskedPaths", "config-linux.md, \"Masked Paths\"" },
	{ "linux.memoryPolicy", "config-linux.md, \"Memory policy\"" },
	{ "linux.mountLabel", "config-linux.md, \"Mount Label\"" },
	{ "linux.namespaces", "config-linux.md, \"Namespaces\"" },
	{ "linux.netDevices", "config-linux.md, \"Network Devices\"" },
	{ "linux.personality", "config-linux.md, \"Personality\"" },
	{ "linux.readonlyPaths", "config-linux.md, \"Readonly Paths\"" },
	{ "linux.resources", "config-linux.md, \"Control groups\"" },
	{ "linux.rootfsPropagation", "config-linux.md, \"Rootfs Mount Propagation\"" },
	{ "linux.seccomp", "config-linux.md, \"Seccomp\"" },
	{ "linux.sysctl", "config-linux.md, \"Sysctl\"" },
	{ "linux.timeOffsets", "config-linux.md, \"Offset for Time Namespace\"" },
	{ "linux.uidMappings", "config-linux.md, \"User namespace mappings\"" },
	{ "mounts", "config.md, \"Mounts\"" },
	{ "ociVersion", "config.md, \"Specification version\"" },
	{ "process", "config.md, \"Process\"" },
	{ "process.apparmorProfile", "config.md, \"Linux Process\"" },
	{ "process.capabilities", "config.md, \"Linux Process\"" },
	{ "process.execCPUAffinity", "config.md, \"Linux Process\"" },
	{ "process.ioPriority", "config.md, \"Linux Process\"" },
	{ "process.oomScoreAdj", "config.md, \"Linux Process\"" },
	{ "process.rlimits", "config.md, \"POSIX process\"" },
	{ "process.scheduler", "config.md, \"Linux Process\"" },
	{ "process.selinuxLabel", "config.md, \"Linux Process\"" },
	{ "process.user", "config.md, \"POSIX-platform User\"" },
	{ "root", "config.md, \"Root\"" },
	{ "vm", "config-vm.md" },
};
/* clang-format on */

static bool begins_with(const char *text, const char *path)
{
	size_t len = strlen(path);

	return strncmp(text, path, len) == 0 && text[len] && strchr(".[:, '", text[len]);
}

const char *oci_spec_section(const char *message)
{
	const char *found = NULL;
	size_t longest = 0;

	/* The path stands at the start, or behind the name of the document. */
	for (const char *p = message; p; p = strstr(p, ": ")) {
		p += *p == ':' ? 2 : 0;
		p += *p == '\'';
		for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
			size_t len = strlen(sections[i].path);

			if (len > longest && begins_with(p, sections[i].path)) {
				found = sections[i].section;
				longest = len;
			}
		}
		if (found || strncmp(p, "config.json: ", 13) != 0)
			break;
	}
	return found;
}
