import time, os, sys
sys.path.insert(0,"/work/sweep")
import joblib, sim
from sim import sweeping
from tests.strategies import small_profile
from twin.storms import outage
from twin.sweeps import variants
VARY={"clients.reconnect.cap":[2,4,6,8,10,15,20,30],"nodes.backlog":[10,20,50,100,200,300,500,1000]}
p=small_profile(); s=outage(200,3,20.0,40.0,base=1.0,cap=8.0,jitter="full")
text=p.model_dump_json(); print(len(text))
tasks=[(i,v.scenario,text,0,2) for i,v in enumerate(variants(s,VARY))]
def timed(*a):
    t=time.perf_counter(); c=time.process_time(); sweeping.run(*a); return os.getpid(), t, time.perf_counter()-t, time.process_time()-c
t0=time.perf_counter(); one=[timed(*t) for t in tasks]; w1=time.perf_counter()-t0
print("serial", w1, "sum", sum(o[2] for o in one))
t0=time.perf_counter(); c0=time.process_time()
two=list(joblib.Parallel(n_jobs=2,return_as="generator_unordered",batch_size=1)(joblib.delayed(timed)(*t) for t in tasks)); w2=time.perf_counter()-t0
print("two", w2, "sum wall", sum(o[2] for o in two), "sum cpu", sum(o[3] for o in two), "first start", min(o[1] for o in two)-t0, "main cpu", time.process_time()-c0, "ratio", w1/w2)
from collections import defaultdict
d=defaultdict(list)
for o in two: d[o[0]].append(o)
for pid,l in d.items():
    l.sort(key=lambda o:o[1]); print(pid,len(l),"start",l[0][1]-t0,"end",l[-1][1]+l[-1][2]-t0,"busy",sum(o[2] for o in l), "first", [round(o[2],2) for o in l[:4]])
