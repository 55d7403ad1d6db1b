// Fibergauge's data source for Grafana, which starts it and speaks to it by its
// plugin protocol. It asks the analyzer (package analyzer/api) and nothing else.
package main

import (
	"fmt"
	"os"
	_ "time/tzdata" // months begin where the mesh is, also on Windows

	sdk "github.com/grafana/grafana-plugin-sdk-go/backend/datasource"

	"github.com/fibergauge/fibergauge/dashboards/plugin/datasource"
)

func main() {
	if err := sdk.Manage(datasource.PluginID, datasource.New, sdk.ManageOpts{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
