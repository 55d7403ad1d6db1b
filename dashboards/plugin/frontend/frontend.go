// Package frontend holds the tests of the Grafana plugin's front end, and no code
// of its own: scripts/plugin-frontend builds what ../src is, and the tests render
// it in a browser, with the packages of the oldest Grafana that it is for and with
// those of the newest.
package frontend
