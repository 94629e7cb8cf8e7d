/** Charts as SVG files, drawn by Apache ECharts without a browser: one per workload, and cost against size. */
import * as echarts from 'echarts'
import { digits, figure } from './format.mjs'

const width = 860
const barHeight = 22
const colours = {
  zkdb: '#c2410c',
  'zkdb interval': '#fb923c',
  'zkdb 16 partitions': '#ea580c',
  'zkdb 256 partitions': '#fdba74',
  lmdb: '#1d4ed8',
  'lmdb writemap': '#60a5fa',
  'classic-level': '#15803d',
  'better-sqlite3': '#6d28d9',
  rocksdb: '#a16207',
  map: '#6b7280'
}

function render(option, height) {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width, height })
  chart.setOption({ animation: false, backgroundColor: '#ffffff', textStyle: { fontFamily: 'sans-serif' }, ...option })
  const svg = chart.renderToSVGString()
  chart.dispose()
  return svg
}

/** Bars of all engines with a figure, the best first. */
function bars(row) {
  const cells = Object.entries(row.cells).filter(([, cell]) => cell.value !== undefined)
  cells.sort(([, a], [, b]) => (row.isHigherBetter ? a.value - b.value : b.value - a.value))
  if (cells.length === 0) return undefined
  const data = cells.map(([name, cell]) => ({ value: cell.value, itemStyle: { color: colours[name] ?? '#999999' } }))
  const sense = row.isHigherBetter ? 'longer is better' : 'shorter is better'
  const label = { show: true, position: 'right', formatter: ({ value }) => figure(value, row.unit) }
  const option = {
    title: { text: row.title, subtext: sense, left: 8, top: 4, textStyle: { fontSize: 15 } },
    grid: { left: 150, right: 90, top: 60, bottom: 24 },
    xAxis: { type: 'value', axisLabel: { formatter: (value) => figure(value, row.unit), hideOverlap: true } },
    yAxis: { type: 'category', data: cells.map(([name]) => name) },
    series: [{ type: 'bar', data, label, barMaxWidth: 16 }]
  }
  return render(option, 90 + cells.length * barHeight)
}

/** One chart of everything that has a target ratio: how many times the best peer's speed zkdb reaches. */
function overview(rows) {
  const compared = rows
    .filter((row) => row.group !== 'partitions' && row.ratio !== undefined && row.target?.ratio)
    .reverse()
  if (compared.length === 0) return undefined
  const ahead = (ratio) => (ratio >= 1 ? colours.zkdb : '#6b7280')
  const data = compared.map(({ ratio }) => ({ value: ratio, itemStyle: { color: ahead(ratio) } }))
  const label = { show: true, position: 'right', formatter: ({ value }) => `${digits(value)}x` }
  const line = { symbol: 'none', silent: true, label: { show: false }, lineStyle: { color: '#111827', type: 'solid' } }
  const option = {
    title: { text: 'zkdb beside the best peer of each workload', left: 8, top: 4, textStyle: { fontSize: 15 } },
    legend: { top: 30, left: 8, data: ['times as fast', 'target'] },
    grid: { left: 270, right: 60, top: 66, bottom: 24 },
    xAxis: { type: 'value', axisLabel: { formatter: '{value}x' } },
    yAxis: { type: 'category', data: compared.map((row) => `${row.title}: ${row.best.name}`) },
    series: [
      {
        name: 'times as fast',
        type: 'bar',
        data,
        label,
        color: colours.zkdb,
        barMaxWidth: 14,
        markLine: { ...line, data: [{ xAxis: 1 }] }
      },
      {
        name: 'target',
        type: 'scatter',
        symbol: 'diamond',
        symbolSize: 9,
        color: '#111827',
        data: compared.map((row, i) => [row.target.ratio, i])
      }
    ]
  }
  return render(option, 100 + compared.length * barHeight)
}

/** A line per engine: nanoseconds per operation against the number of records. */
function lines(rows) {
  const engines = [...new Set(rows.flatMap((row) => Object.keys(row.cells)))]
  const series = engines
    .map((name) => ({
      name,
      type: 'line',
      symbolSize: 7,
      itemStyle: { color: colours[name] ?? '#999999' },
      data: rows.filter((row) => row.cells[name]?.value !== undefined).map((row) => [row.n, row.cells[name].value])
    }))
    .filter((one) => one.data.length > 0)
  if (series.length === 0) return undefined
  const option = {
    title: { text: rows[0].title, left: 8, top: 4, textStyle: { fontSize: 15 } },
    legend: { top: 30, left: 60 },
    grid: { left: 80, right: 30, top: 84, bottom: 50 },
    xAxis: { type: 'log', name: 'records', nameLocation: 'middle', nameGap: 28, axisLabel: { formatter: digits } },
    yAxis: { type: 'log', axisLabel: { formatter: (value) => figure(value, 'ns') } },
    series
  }
  return render(option, 420)
}

/**
 * All charts of a run.
 *
 * @returns as { group, title, file, svg }
 */
export function chartsOf(rows) {
  const single = rows
    .filter((row) => row.group !== 'sizes' && row.group !== 'micro')
    .map((row) => ({ group: row.group, title: row.title, file: `${row.id}.svg`, svg: bars(row) }))
  const bySize = [...new Set(rows.filter((row) => row.group === 'sizes').map((row) => row.row))].map((name) => {
    const ofName = rows.filter((row) => row.row === name)
    return { group: 'sizes', title: ofName[0].title, file: `${name}.svg`, svg: lines(ofName) }
  })
  const all = { group: 'overview', title: 'Overview', file: 'overview.svg', svg: overview(rows) }
  return [all, ...single, ...bySize].filter((chart) => chart.svg !== undefined)
}
