// Package dashboards holds what Grafana needs to show Fibergauge's data:
// dashboards, alert rules and provisioning, as files. It has no code of its own;
// its tests hold the files against the rules for them, and run every query of every
// dashboard and alert rule against real servers.
package dashboards
