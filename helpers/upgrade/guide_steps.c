/*
 * The steps of the integration guide, in its order.  In commands and texts, a word in braces is replaced by a value of
 * this server (upgrade/guide); in capitals, it is a placeholder for what only the administrator knows.
 */
#include "okv/release.h"
#include "upgrade/guide.h"

enum {
	FULL = GUIDE_NETWORK | GUIDE_CLOUD_FULL | GUIDE_HYBRID,
	NTLS = GUIDE_NETWORK | GUIDE_HYBRID,
	CLOUD = GUIDE_CLOUD_MIN | GUIDE_CLOUD_FULL | GUIDE_HYBRID,
	SERVICE = GUIDE_CLOUD_FULL | GUIDE_HYBRID,
	GENERIC = OKV_FIRST_GENERIC,
};

static const char no_cloud[] = "only with a Luna Cloud HSM service";
static const char no_network[] = "only with a Luna Network HSM";
static const char minimum[] = "the guide skips steps 1 to 3 for the Cloud HSM minimum client";
static const char minimum_reboot[] = "the guide skips steps 1 to 9 for the Cloud HSM minimum client";
static const char no_generic[] = "OKV 21.2 and earlier have no generic HSM files";
static const char no_states[] = "the guide's states around an upgrade are for OKV 21.3 and later";
static const char only_12[] = "only when upgrading from OKV 12.2";

static const struct guide_step install[] = {
	/* --- install: the client, and its way to the HSM --------------------------------------------------------- */
	{ "partition", GUIDE_HSM, "Prepare the HSM and its partition", .kinds = NTLS,
	  .text = "On the HSM: initialise it if it is new (this erases every key on it), make a partition for OKV, and "
		  "initialise the partition's Crypto Officer and Crypto User. With PED authentication switch policies "
		  "22 and 23 on (activation, "
		  "auto-activation). For HA do so on two HSMs or more, with one cloning domain and one type of "
		  "authentication.",
	  .skip_kind = no_network, .done = GUIDE_SEEN | GUIDE_SERVERS | GUIDE_INITIALIZED, .markable = true },
	{ "service", GUIDE_HSM, "Create the Luna Cloud HSM service", .kinds = CLOUD,
	  .text = "In the cloud's console: create the service, download its client (setup-NAME.zip) and copy it to "
		  "this server by scp.",
	  .skip_kind = no_cloud, .done = GUIDE_SECTIONS, .markable = true },
	{ "client", GUIDE_OURS, "Install the Luna client", .kinds = FULL, .v6 = GUIDE_V6_NOT,
	  .command = "okv-luna extract --accept-licence {ARCHIVE}",
	  .text = "ARCHIVE is the client's archive from Thales; the option says that you accept its licence.",
	  .skip_kind = "the service's own client is used here", .done = GUIDE_CLIENT_THERE },
	{ "client-min", GUIDE_OURS, "Install the service's client", .kinds = GUIDE_CLOUD_MIN, .v6 = GUIDE_V6_NOT,
	  .command = "okv-luna extract {ARCHIVE}", .text = "ARCHIVE is setup-NAME.zip from the cloud's console.",
	  .skip_kind = "only for the Cloud HSM minimum client", .done = GUIDE_CLIENT_THERE },
	{ "client-v6", GUIDE_CLIENT, "Install the Luna client v6.x", .v6 = GUIDE_V6_ONLY,
	  .command = "sh ./install.sh -p sa",
	  .text = "In the directory linux/64 of the unpacked archive; it asks for the licence.",
	  .done = GUIDE_CLIENT_THERE },
	{ "certificate", GUIDE_CLIENT, "Make the client's certificate", .kinds = NTLS,
	  .command = "{lc}/bin/vtl createCert -n {host}", .skip_kind = no_network, .done = GUIDE_KEY },
	{ "exchange", GUIDE_HSM, "Exchange the certificates", .kinds = NTLS,
	  .text = "scp admin@HSM:server.pem /root/server.pem, then scp {lc}/cert/client/{host}.pem admin@HSM: (HSM is "
		  "its host name or address). For HA do this and the next step for one HSM after the other.",
	  .skip_kind = no_network, .done = GUIDE_SERVERS, .markable = true },
	{ "server", GUIDE_CLIENT, "Register the HSM with the client", .kinds = NTLS,
	  .command = "{lc}/bin/vtl addServer -n {HSM} -c /root/server.pem", .text = "HSM is its host name or address.",
	  .skip_kind = no_network, .done = GUIDE_SERVERS },
	{ "assign", GUIDE_HSM, "Register the client with the HSM, and assign the partition", .kinds = NTLS,
	  .text = "In the HSM's shell: client register -client {host} -hostname {host}, then client assignPartition "
		  "-client {host} -partition PARTITION (for HA on each).",
	  .skip_kind = no_network, .done = GUIDE_SEEN | GUIDE_INITIALIZED, .markable = true },
	{ "verify", GUIDE_CLIENT, "Check that root sees the partition", .kinds = NTLS, .command = "{lc}/bin/vtl verify",
	  .text = "If it shows none: okv-luna status says why.", .skip_kind = no_network, .done = GUIDE_SEEN },
	{ "service-client", GUIDE_OURS, "Extract the service's client beside the Luna client", .kinds = SERVICE,
	  .v6 = GUIDE_V6_NOT, .command = "okv-luna extract --to {service} {SERVICE}",
	  .text = "SERVICE is setup-NAME.zip from the cloud's console.",
	  .skip_kind = "only with the full client and a Luna Cloud HSM service", .done = GUIDE_SERVICE },
	{ "merge", GUIDE_OURS, "Merge the service's sections and certificates into the Luna client", .kinds = SERVICE,
	  .v6 = GUIDE_V6_NOT,
	  .command = "okv-luna config chrystoki merge {service}/Chrystoki.conf --section XTC --section REST "
		     "--plugin-dir {lc}/plugins",
	  .skip_kind = "only with the full client and a Luna Cloud HSM service", .done = GUIDE_SECTIONS },
	{ "certificates", GUIDE_OURS, "Point the client at the copied certificates", .kinds = SERVICE,
	  .v6 = GUIDE_V6_NOT, .client_to = 1001,
	  .command = "okv-luna config chrystoki merge {service}/Chrystoki.conf --section XTC --section REST "
		     "--plugin-dir {lc}/plugins",
	  .skip_kind = "only with the full client and a Luna Cloud HSM service",
	  .skip_version = "the guide skips this from client 10.2 on; they were copied anyway, because their directory "
			  "is deleted",
	  .done = GUIDE_INSIDE },
	{ "service-delete", GUIDE_SERVER, "Delete what was extracted: it holds the service's secret", .kinds = SERVICE,
	  .v6 = GUIDE_V6_NOT, .command = "rm -r {service}",
	  .skip_kind = "only with the full client and a Luna Cloud HSM service", .done = GUIDE_SERVICE_GONE },
	{ "roles", GUIDE_CLIENT, "Check that root sees the service, and initialise its roles", .kinds = CLOUD,
	  .v6 = GUIDE_V6_NOT,
	  .text = "{lc}/bin/lunacm lists the service; if not: okv-luna status says why. Initialise the roles as the "
		  "cloud's documentation says, if the service is new.",
	  .skip_kind = no_cloud, .done = GUIDE_SEEN },
	{ "ha-group", GUIDE_OURS, "Create an HA group of the partitions", .when = GUIDE_IF_HA,
	  .command = "okv-luna config chrystoki ha {LABEL} {SERIALS}",
	  .text = "SERIALS are the members' serial numbers with commas between them, as vtl verify shows them.",
	  .done = GUIDE_HA_GROUP },
	{ "ha-only", GUIDE_OURS, "Switch HAOnly on, for failover and return", .when = GUIDE_IF_HA,
	  .command = "okv-luna config chrystoki ha-only on", .done = GUIDE_HA_ONLY, .in_turn = true },
	/* --- install: OKV ---------------------------------------------------------------------------------------- */
	{ "group", GUIDE_OURS, "Add {user} to group {group}, and set owners and modes", .kinds = FULL,
	  .v6 = GUIDE_V6_NOT, .command = "okv-luna repair", .skip_kind = minimum,
	  .done = GUIDE_MODES | GUIDE_PREPARED },
	{ "modes", GUIDE_OURS, "Protect the service's secret", .kinds = GUIDE_CLOUD_MIN, .v6 = GUIDE_V6_NOT,
	  .command = "okv-luna repair",
	  .text = "Root and group {group} can read it, so {user} is added to that group. The guide leaves the secret "
		  "readable by everybody.",
	  .skip_kind = "part of the previous step", .done = GUIDE_MODES | GUIDE_PREPARED },
	{ "reach", GUIDE_OURS, "Check that {user} sees the partition", .command = "okv-luna slots --module {lib}",
	  .done = GUIDE_REACHED, .in_turn = true },
	{ "reboot-group", GUIDE_SERVER, "Reboot this server", .kinds = FULL, .v6 = GUIDE_V6_NOT,
	  .text = "A process keeps the groups that it was started with.", .skip_kind = minimum, .done = GUIDE_RUNNING,
	  .needed_by = GUIDE_LACKING },
	{ "wire", GUIDE_OURS, "Edit OKV's generic HSM files", .v6 = GUIDE_V6_NOT, .from = GENERIC,
	  .command = "okv-luna config wire", .text = "{minimum}", .skip_version = no_generic, .done = GUIDE_WIRED },
	{ "slots", GUIDE_OURS, "Check that OKV will see the partition", .v6 = GUIDE_V6_NOT, .from = GENERIC,
	  .command = "okv-luna slots", .skip_version = "the step 'Check that {user} sees the partition' has shown it",
	  .done = GUIDE_SLOTS, .in_turn = true },
	{ "reboot-files", GUIDE_SERVER, "Reboot this server again", .kinds = FULL, .v6 = GUIDE_V6_NOT, .from = GENERIC,
	  .text = "The guide asks for it after its step 8.", .skip_kind = minimum_reboot, .skip_version = no_generic,
	  .done = GUIDE_BOOTED, .markable = true },
	{ "initialize", GUIDE_CONSOLE, "Initialize the HSM in OKV's console",
	  .text = "https://{host} as system administrator: {page}: Initialize. Vendor: {vendor}. HSM Credential: the "
		  "partition's password. Recovery Passphrase: that of the post-installation. Token label: {label}.",
	  .done = GUIDE_INITIALIZED, .markable = true },
	{ "key", GUIDE_OURS, "Check that the root key is on the HSM", .command = "okv-luna slots --key {key}",
	  .text = "It asks for the partition's password. The console's HSM page shows a green arrow and the partition.",
	  .done = GUIDE_INITIALIZED, .markable = true, .in_turn = true },
	{ "status", GUIDE_OURS, "Check that everything passes", .command = "okv-luna status", .done = GUIDE_WELL,
	  .last = true, .in_turn = true },
};

static const struct guide_step upgrade[] = {
	{ "order", GUIDE_SERVER, "Upgrade the nodes in the right order", .when = GUIDE_IF_CLUSTER,
	  .text = "Read-only nodes first, then the read-write pairs; node after node without long pauses, all to one "
		  "release." },
	{ "status", GUIDE_OURS, "Check that everything passes", .command = "okv-luna status",
	  .done = GUIDE_WELL | GUIDE_BEGUN | GUIDE_PROVEN, .in_turn = true },
	{ "backup", GUIDE_CONSOLE, "Back up, in full and remotely", .text = "{backup}. It is the only way back." },
	{ "wallet-copy", GUIDE_SERVER, "Save a copy of the open wallet", .to = 1799,
	  .text = "As root: copy the wallet on the RAM disk to /var/lib/oracle/cwallet_hsm_upgrade.sso, as Oracle's "
		  "HSM guide says.",
	  .skip_version = only_12 },
	{ "reverse-migrate", GUIDE_CONSOLE, "Reverse-migrate from the HSM", .to = 1799,
	  .text = "{page}. Then back up again.", .skip_version = only_12 },
	{ "vg-root", GUIDE_SERVER, "Extend vg_root", .from = 1800, .to = 1899,
	  .text = "OKV 18.x to 21.x needs it first; Oracle's upgrade guide says how.",
	  .skip_version = "only when upgrading from OKV 18.x" },
	{ "disk", GUIDE_SERVER, "Make sure that there is enough disk and swap", .from = 2100,
	  .text = "OKV 21.10 and 21.11 need a disk of 1 TB and about 64 GB of swap.",
	  .skip_version = "only when upgrading from OKV 21.x" },
	{ "disable-node", GUIDE_CONSOLE, "Disable this node for the upgrade", .when = GUIDE_IF_CLUSTER,
	  .text = "It must be enabled again within the cluster's maximum disabled time." },
	{ "image", GUIDE_SERVER, "Mount the upgrade image", .text = "At /images, as Oracle's upgrade guide says.",
	  .done = GUIDE_IMAGE | GUIDE_BEGUN | GUIDE_PROVEN, .markable = true },
	{ "pre-upgrade", GUIDE_OURS, "Set the pre-upgrade state, and check that {user} sees the partition",
	  .v6 = GUIDE_V6_NOT, .from = GENERIC, .command = "okv-luna pre-upgrade",
	  .text = "Do not upgrade unless it says Go.", .skip_version = no_states,
	  .done = GUIDE_PREPARED | GUIDE_BEGUN | GUIDE_PROVEN },
	{ "upgrade", GUIDE_OURS, "Upgrade OKV", .v6 = GUIDE_V6_NOT, .from = GENERIC, .command = "okv-luna upgrade",
	  .text = "In tmux or screen. It is done when the machine's screen is headed 'Oracle Key Vault Server' and the "
		  "new release.",
	  .skip_version = no_states, .done = GUIDE_BEGUN | GUIDE_PROVEN },
	{ "upgrade-okv", GUIDE_SERVER, "Upgrade OKV, as Oracle's upgrade guide says", .v6 = GUIDE_V6_ALWAYS,
	  .to = GENERIC - 1,
	  .text = "It is done when the machine's screen is headed 'Oracle Key Vault Server' and the new release. "
		  "Nothing preserves the Luna client in this upgrade: keep its archive and identity at hand.",
	  .skip_version = "okv-luna upgrade does it" },
	{ "enable-hsm", GUIDE_CONSOLE, "HSM-enable this server again", .to = 1799,
	  .text = "As in okv-luna guide install. Then delete /var/lib/oracle/cwallet_hsm_upgrade.sso.",
	  .skip_version = only_12 },
	{ "page", GUIDE_CONSOLE, "Check that the console shows the HSM as enabled",
	  .text = "{page}, or where the new release has it. If it does not, do not restart this server: okv-luna "
		  "status says why." },
	{ "post-upgrade", GUIDE_OURS, "Set the post-upgrade state, and check the partition again", .v6 = GUIDE_V6_NOT,
	  .from = GENERIC, .command = "okv-luna post-upgrade",
	  .text = "The first boot may have run it already. If it shows no partition, do not restart this server: "
		  "contact Thales support.",
	  .skip_version = no_states, .done = GUIDE_PROVEN },
	{ "enable-node", GUIDE_CONSOLE, "Enable this node again, from itself", .when = GUIDE_IF_CLUSTER,
	  .text = "Within the cluster's maximum disabled time; then the next node." },
	{ "oracle-steps", GUIDE_SERVER, "Do Oracle's own steps after an upgrade, then upgrade the endpoints' software",
	  .text = NULL },
	{ "backup-after", GUIDE_CONSOLE, "Back up again, in full", .text = "{backup}." },
};

static const struct guide_step restore[] = {
	{ "hsm-mode", GUIDE_CONSOLE, "Make sure that the backup was taken in HSM mode",
	  .text = "Only such a backup can be restored to an OKV with an HSM; it needs the HSM and the root key of that "
		  "time." },
	{ "client", GUIDE_OURS, "Install the Luna client, and register the same partition",
	  .command = "okv-luna guide install", .text = "Follow it up to Initialize, and leave that out.",
	  .done = GUIDE_CLIENT_THERE },
	{ "wire", GUIDE_OURS, "Edit OKV's generic HSM files", .v6 = GUIDE_V6_NOT, .from = GENERIC,
	  .command = "okv-luna config wire", .skip_version = no_generic, .done = GUIDE_WIRED },
	{ "modes", GUIDE_OURS, "Set group, owners and modes", .v6 = GUIDE_V6_NOT, .command = "okv-luna repair",
	  .text = "They must be right before the restore: the restored system restarts by itself.",
	  .done = GUIDE_MODES },
	{ "slots", GUIDE_OURS, "Check that OKV sees the same partition", .command = "okv-luna slots",
	  .done = GUIDE_SLOTS, .in_turn = true },
	{ "key", GUIDE_OURS, "Check that the root key of the backup is on the HSM",
	  .command = "okv-luna status --for restore --key {key}", .text = "It asks for the partition's password.",
	  .in_turn = true },
	{ "credential", GUIDE_CONSOLE, "Set Credential, before the restore",
	  .text = "{page}, where the HSM shows as disabled: Set Credential (dialog Prepare for HSM Restore). Vendor: "
		  "{vendor}. HSM Credential: the partition's password. Token label: {label}. In a primary-standby pair "
		  "it does not reach the standby." },
	{ "restore", GUIDE_CONSOLE, "Restore",
	  .text = "{backup}, Restore: source, backup, Recovery Passphrase. Change nothing while it runs; the console "
		  "may be down. The system restarts by itself." },
	{ "status", GUIDE_OURS, "Check that everything passes", .command = "okv-luna status", .done = GUIDE_WELL,
	  .last = true, .in_turn = true },
};

static const struct guide_step cluster[] = {
	/* --- cluster: starting with a single node ---------------------------------------------------------------- */
	{ "backup", GUIDE_CONSOLE, "First node: back up", .when = GUIDE_IF_SINGLE,
	  .text = "{backup}. Upgraded from before 12.2 BP8: rotate its certificate." },
	{ "first-node", GUIDE_CONSOLE, "First node: make it the first of a cluster", .when = GUIDE_IF_SINGLE,
	  .text = "Cluster: First Node: Yes; node name, cluster name and subgroup, all final; Convert to Candidate "
		  "Node. It is read-only until it has a pair." },
	{ "enable-first", GUIDE_OURS, "First node: HSM-enable it", .command = "okv-luna guide install" },
	{ "enable-candidate", GUIDE_OURS, "Candidate: HSM-enable it, before it is added", .when = GUIDE_IF_SINGLE,
	  .command = "okv-luna guide install", .text = "Once a node has an HSM, a node without one cannot join." },
	{ "ready", GUIDE_OURS, "Both: check that they are ready for a cluster", .when = GUIDE_IF_SINGLE,
	  .command = "okv-luna status --for cluster", .in_turn = true },
	{ "backup-controller", GUIDE_CONSOLE, "Controller: back up", .when = GUIDE_IF_SINGLE,
	  .text = "{backup}. The controller is a node without a read-write peer. The network must be good, and OKV's "
		  "ports open." },
	{ "add", GUIDE_CONSOLE, "Add the candidate", .when = GUIDE_IF_SINGLE,
	  .text = "Controller: Cluster, Add: recovery passphrase, Read-Write Peer: Yes, id, name, subgroup, IP "
		  "address. Candidate, in a second window: First Node: No, the same passphrase, the controller's IP "
		  "address and certificate, Convert to Candidate Node (a mistake here means reinstalling OKV). "
		  "Controller: the candidate's certificate, the controller's HSM credential, Add Node, OK." },
	{ "active", GUIDE_CONSOLE, "Wait until both are ACTIVE", .when = GUIDE_IF_SINGLE,
	  .text = "An hour or more. Server Error 500 and Bad Gateway go away by themselves. The candidate restarts, "
		  "and needs its HSM then. PAIRING becomes ACTIVE." },
	/* --- cluster: an existing one ---------------------------------------------------------------------------- */
	{ "create-bundle", GUIDE_CONSOLE, "First node: Create Bundle", .when = GUIDE_IF_BUNDLE,
	  .text = "It asks for the HSM credential and the recovery passphrase." },
	{ "send", GUIDE_OURS, "First node: send the bundle to every other node", .when = GUIDE_IF_BUNDLE,
	  .command = "okv-luna bundle send {NODES}",
	  .text = "NODES are the other nodes' host names; it asks for a passphrase to seal the bundle with." },
	{ "place", GUIDE_OURS, "Every other node: put the bundle in its place", .when = GUIDE_IF_BUNDLE,
	  .command = "okv-luna bundle apply {FILE}", .text = "FILE is the file that the previous step named." },
	{ "apply-bundle", GUIDE_CONSOLE, "Every other node: Apply Bundle", .when = GUIDE_IF_BUNDLE,
	  .text = "It asks for the recovery passphrase. Do it on all of them without delay, and before the first node "
		  "is reverse-migrated." },
	{ "enable-others", GUIDE_OURS, "Every other node: HSM-enable it", .when = GUIDE_IF_BUNDLE,
	  .command = "okv-luna guide install" },
	{ "state", GUIDE_CONSOLE, "Check that all nodes are HSM-enabled and replication works", .when = GUIDE_IF_BUNDLE,
	  .text = "Cluster Settings State." },
	{ "clean", GUIDE_OURS, "All nodes: remove the bundle", .when = GUIDE_IF_BUNDLE,
	  .command = "okv-luna bundle clean", .text = "Do this last, on each of them.", .done = GUIDE_CLEAN,
	  .last = true },
};

#define STEPS(steps) \
	{ \
		.items = (steps), .count = sizeof(steps) / sizeof((steps)[0]) \
	}

const struct guide_steps guide_steps[] = { [GUIDE_INSTALL] = STEPS(install),
					   [GUIDE_UPGRADE] = STEPS(upgrade),
					   [GUIDE_RESTORE] = STEPS(restore),
					   [GUIDE_CLUSTER] = STEPS(cluster) };
