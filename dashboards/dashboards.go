// Package dashboards holds what Grafana needs to show Fibergauge's data:
// dashboards and provisioning, as files. It has no code of its own; its tests
// run every query of every dashboard against real servers.
package dashboards
