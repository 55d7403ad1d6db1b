package mesh

import (
	"encoding/csv"
	"strconv"
	"strings"
	"testing"
	"time"
)

// geodesics between the ten clusters in whole kilometres, computed with
// another implementation (GeographicLib, WGS-84).
const geodesics = `
zjk,yrd,1182
zjk,wuh,1071
zjk,shg,1759
zjk,tfu,1501
zjk,cqg,1431
zjk,gui,1763
zjk,hlg,275
zjk,qyg,847
zjk,zhw,921
yrd,wuh,257
yrd,shg,1022
yrd,tfu,1644
yrd,cqg,1411
yrd,gui,1519
yrd,hlg,1337
yrd,qyg,1349
yrd,zhw,1623
wuh,shg,868
wuh,tfu,1388
wuh,cqg,1157
wuh,gui,1285
wuh,hlg,1181
wuh,qyg,1111
wuh,zhw,1393
shg,tfu,1147
shg,cqg,892
shg,gui,733
shg,hlg,1754
shg,qyg,1337
shg,zhw,1619
tfu,cqg,263
tfu,gui,526
tfu,hlg,1317
tfu,qyg,667
tfu,zhw,778
cqg,gui,374
cqg,hlg,1289
cqg,qyg,666
cqg,zhw,866
gui,hlg,1644
gui,qyg,1037
gui,zhw,1237
hlg,qyg,650
hlg,zhw,666
qyg,zhw,297
`

func TestNationalMesh(t *testing.T) {
	m, err := Load("national.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Hubs) != 8 || len(m.Clusters) != 10 || len(m.Pairs()) != 45 {
		t.Errorf("%d hubs, %d clusters, %d pairs; want 8, 10, 45", len(m.Hubs), len(m.Clusters), len(m.Pairs()))
	}
	now := time.Date(2025, 6, 1, 0, 0, 0, 0, m.Location())
	if links := m.Links(m.Test(m.Judged), now, now.AddDate(0, 1, 0)); len(links) != 90 {
		t.Errorf("%d links, want 90", len(links))
	}
	if len(m.Warnings()) != 0 {
		t.Errorf("warnings: %v", m.Warnings())
	}
	rows, err := csv.NewReader(strings.NewReader(geodesics)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		want, err := strconv.ParseInt(row[2], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		route := m.ClusterRoute(m.Cluster(row[0]), m.Cluster(row[1]), now)
		if got := (route.GeodesicMeters + 500) / 1000; got != want {
			t.Errorf("geodesic %s-%s: %d km, want %d", row[0], row[1], got, want)
		}
		if !route.Estimated || route.Class != ClassC || route.Meters != (route.GeodesicMeters*13+5)/10 {
			t.Errorf("%s-%s: %+v is not an estimate of class C", row[0], row[1], route)
		}
	}
}
