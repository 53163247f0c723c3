// The OCI runtime of the engine: runc without the capabilities that root lacks on this machine.
//
// Docker requests for a privileged container every capability that the kernel knows, and runc fails if it may not give
// one of them. This program removes those from the specification and then becomes the real runtime, whose path is in
// the variable REAL_RUNTIME (default: /usr/sbin/runc).
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const defaultRuntime = "/usr/sbin/runc"

// In the order of their numbers (linux/capability.h).
var names = strings.Fields(`
CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN
SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE
MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE`)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "engine runtime:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if path, field := specification(arguments); path != "" {
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			return err
		}
		bounding, err := boundingSet(string(status))
		if err != nil {
			return err
		}
		if err := removeCapabilities(path, field, bounding); err != nil {
			return err
		}
	}
	runtime := os.Getenv("REAL_RUNTIME")
	if runtime == "" {
		runtime = defaultRuntime
	}
	return syscall.Exec(runtime, append([]string{runtime}, arguments...), os.Environ())
}

// specification returns the file that the runtime will read, and the field of it that describes the process: the whole
// file if the field is empty. The path is empty for commands that start no process of a specification.
func specification(arguments []string) (path, field string) {
	switch command(arguments) {
	case "create", "run":
		return filepath.Join(option(arguments, "--bundle", "-b"), "config.json"), "process"
	case "exec":
		return option(arguments, "--process", "-p"), ""
	}
	return "", ""
}

// command returns the first of the commands that have a specification; values of global options are paths and words
// that are none of them.
func command(arguments []string) string {
	for _, argument := range arguments {
		switch argument {
		case "create", "run", "exec":
			return argument
		}
	}
	return ""
}

func option(arguments []string, names ...string) string {
	for i, argument := range arguments {
		for _, name := range names {
			if argument == name && i+1 < len(arguments) {
				return arguments[i+1]
			}
			if value, found := strings.CutPrefix(argument, name+"="); found {
				return value
			}
		}
	}
	return ""
}

// boundingSet reads CapBnd of /proc/PID/status (proc_pid_status(5)).
func boundingSet(status string) (map[string]bool, error) {
	for _, line := range strings.Split(status, "\n") {
		text, found := strings.CutPrefix(line, "CapBnd:")
		if !found {
			continue
		}
		bits, err := strconv.ParseUint(strings.TrimSpace(text), 16, 64)
		if err != nil {
			return nil, err
		}
		held := map[string]bool{}
		for number, name := range names {
			held["CAP_"+name] = bits>>number&1 == 1
		}
		return held, nil
	}
	return nil, fmt.Errorf("/proc/self/status has no line CapBnd")
}

func removeCapabilities(path, field string, held map[string]bool) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var whole map[string]any
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber() // limits have 64 bits
	if err := decoder.Decode(&whole); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	process := whole
	if field != "" {
		process, _ = whole[field].(map[string]any)
	}
	sets, _ := process["capabilities"].(map[string]any)
	changed := false
	for kind, listed := range sets {
		wanted, _ := listed.([]any)
		kept := []any{}
		for _, name := range wanted {
			if text, _ := name.(string); held[text] {
				kept = append(kept, name)
			}
		}
		changed = changed || len(kept) != len(wanted)
		sets[kind] = kept
	}
	if !changed {
		return nil
	}
	content, err = json.Marshal(whole)
	if err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o600)
}
