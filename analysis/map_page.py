"""A map as one HTML file without any other: drag, zoom, hover for the lineage, and search by name."""

import base64
import json
from collections import Counter
from collections.abc import Sequence
from html import escape

import numpy as np
from jaxtyping import Real

from cladescope.analysis.map_figures import GREY, SHOWN
from cladescope.analysis.taxon_colours import taxon_colours

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>@TITLE@</title>
<style>body{margin:0;font:14px sans-serif}canvas{display:block;width:100vw;height:100vh}
#side{position:fixed;top:8px;left:8px;background:#fffc;padding:8px}i{display:inline-block;width:10px;height:10px}</style>
<canvas id="map" role="img" aria-label="@TITLE@"></canvas>
<div id="side"><b>@TITLE@</b><br><input id="find" type="search" placeholder="find a name" aria-label="find a name">
<div>@LEGEND@</div><div id="told" aria-live="polite"></div></div>
<script>
const D=@DATA@,raw=atob(D.xy),P=new Float32Array(Uint8Array.from(raw,c=>c.charCodeAt(0)).buffer),n=P.length/2;
const C=document.getElementById("map"),G=C.getContext("2d"),find=document.getElementById("find");
let w,h,scale,ox,oy,hit=null,from=null;
function fit(){w=C.width=innerWidth;h=C.height=innerHeight;let a=1e9,b=-1e9,c=1e9,d=-1e9;
for(let i=0;i<n;i++){a=Math.min(a,P[2*i]);b=Math.max(b,P[2*i]);c=Math.min(c,P[2*i+1]);d=Math.max(d,P[2*i+1])}
scale=.9*Math.min(w/(b-a||1),h/(d-c||1));ox=w/2-scale*(a+b)/2;oy=h/2+scale*(c+d)/2;draw()}
function draw(){G.clearRect(0,0,w,h);const r=n>2e4?2:4;
for(let i=0;i<n;i++){const on=!hit||hit[D.name[i]];G.globalAlpha=on?1:.08;G.fillStyle=D.colours[D.colour[i]];
G.fillRect(ox+scale*P[2*i]-r/2,oy-scale*P[2*i+1]-r/2,r,r)}}
C.onwheel=e=>{e.preventDefault();const f=Math.exp(-e.deltaY/500);ox=e.offsetX+(ox-e.offsetX)*f;
oy=e.offsetY+(oy-e.offsetY)*f;scale*=f;draw()};
C.onpointerdown=e=>from=[e.offsetX-ox,e.offsetY-oy];onpointerup=()=>from=null;
C.onpointermove=e=>{if(from){ox=e.offsetX-from[0];oy=e.offsetY-from[1];draw();return}
let best=100,at=-1;for(let i=0;i<n;i++){const x=ox+scale*P[2*i]-e.offsetX,y=oy-scale*P[2*i+1]-e.offsetY,q=x*x+y*y;
if(q<best){best=q;at=i}}document.getElementById("told").textContent=at<0?"":D.names[D.name[at]]||"no label"};
find.oninput=()=>{const t=find.value.toLowerCase();hit=t?D.names.map(s=>s.toLowerCase().includes(t)):null;draw()};
onresize=fit;fit();
</script></html>
"""


def map_page(
    points: Real[np.ndarray, "n m"],
    names: Sequence[str],
    lineages: Sequence[tuple[str, ...] | None],
    *,
    title: str,
) -> str:
    """The page; `names` are shown on hover, the 12 largest of `lineages` have colours. About 20 bytes a point."""
    sizes = Counter(lineage for lineage in lineages if lineage is not None)
    largest = [lineage for lineage, _ in sizes.most_common(SHOWN)]
    colours = taxon_colours({lineage: sizes[lineage] for lineage in largest})
    place = {lineage: number for number, lineage in enumerate(largest)}
    number = {name: i for i, name in enumerate(dict.fromkeys(names))}
    data = {
        "xy": base64.b64encode(np.ascontiguousarray(points[:, :2], "<f4").tobytes()).decode(),
        "names": list(number),
        "name": [number[name] for name in names],
        "colours": [*(colours[lineage] for lineage in largest), GREY],
        "colour": [len(largest) if lineage is None else place.get(lineage, len(largest)) for lineage in lineages],
    }
    rows = [(colours[lineage], lineage[-1], sizes[lineage]) for lineage in largest]
    rows.append((GREY, "others or none", len(names) - sum(row[2] for row in rows)))
    legend = "".join(f'<i style="background:{c}"></i> {escape(name)} ({count:,})<br>' for c, name, count in rows)
    # No name may end the script: "<" stands as an escape of JSON.
    script = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    head, tail = PAGE.replace("@TITLE@", escape(title)).split("@LEGEND@")
    middle, end = tail.split("@DATA@")
    return head + legend + middle + script + end
