"""Words that folders and files are called by and that no taxon is meant by, and what Latin looks like. Lists, and nothing that reads."""

import re
from typing import Final


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


UNKNOWN: Final = _set(
    """again identified identify all archive archives check uncertain unsure maybe sure keep backup backups best bilder bin camera cameras copies copy crops cropped cropping data dataset datasets
    del delete deleted desconocido download downloads duplicate duplicates edit edited edits export exported exports favorites
    favourites final folder folders foto fotos frames gallery image images imagenes immagini inconnu indet indetermined
    indeterminate input jpeg jpegs jpg jpgs kopie label labels labeled labelled media misc miscellaneous mixed na nan new none null
    old original originals other others output outputs photo photos pic pics picture pictures png processed raw reject rejected
    rejects resized result results review samples selected selection snapshots sort sorted temp test thumbs thumbnails tiff tmp
    trash unbekannt unclassified unclear unidentified unid undetermined unknown unlabeled unlabelled unnamed unsorted untitled unused
    whatsapp telegram instagram snapchat snapseed screenshot screenshots upload uploads various verschiedenes video videos work"""
) | {f"to{act}" for act in ("check", "do", "identify", "label", "name", "review", "sort")}
"""Words that say nothing of what a picture shows; a name of such words alone, with or without numbers, says nothing."""
FILLERS: Final = _set(
    "a n and de del der des die du for from in my of sp species the to und et y animal animals bird birds plant plants not no"
)
"""Words that may stand among these: `new folder`, `to sort`, `unknown species`, `not sorted`."""
SPLITS: Final = _set(
    "dev eval evaluation fold holdout split splits test testing train training trainval val valid validation"
)
SITE_WORDS: Final = _set(
    """area array batch block box cam camera cameratrap card cell chip class cluster collection compartment ct deployment device event
    exp experiment feeder field fiche grid group habitat id individual ind line lineup loc locality location logger marker nest
    net night observer occasion parcel part patch pen period person photo pitfall place plate plot point polygon pond position
    quadrat recorder region replicate rep route row run sample sd section sector sequence series session set site slide spot station
    strata stratum survey tile trail transect trap tray treatment unit visit waypoint zone"""
)
"""Words that a number or a letter follows in the name of a place, a device or a part: `Site 3`, `Plot-07`, `CAM02`, `Cam A`."""
SIDES: Final = _set(
    "a b c d e f g h i j k l m n o p q r s t u v w x y z n ne nw s se sw e w ii iii iv v vi vii viii ix x north south east west left right upper lower"
)
STAGES: Final = _set(
    """adult adults ad f m male males female females juvenile juveniles juv subadult immature imm larva larvae pupa pupae imago egg eggs nymph
    nymphs chick chicks cub cubs fledgling seedling flower flowers fruit fruits leaf leaves bark habit bud buds nest track tracks scat queen
    worker workers drone breeding nonbreeding non winter summer dorsal ventral lateral frontal head"""
)
"""What may follow the name of a species and says of what age, sex, part or view."""

GIVEN_NAMES: Final = _set(
    """adonis alba alma amaryllis amelia angelica anna arnica artemis ashley aster aurora basil begonia bella berenice bryony camellia carissa
    cassia celestina celia chloe cicely clara clematis clementine clio clover clytia coral cynthia dahlia daisy daphne delia diana
    dora doris elena electra erica erna eva fern flora gala gardenia ginger gloria hazel heather helena hermione holly hortensia hyacinth
    ida ilex ines iris isabella ivy jasmine jay jasper jenny julia juno kai kira lara laurel lavender lena leda lilac lily lima linda linnea
    lotus lucia lucina lydia magnolia maia mango maria marica marina martin maya melissa mentha merlin mira moa molly mona myrtle nana nerine nina
    nora oliva olive olivia ophelia oscar pandora phyllis penelope peony petunia phoebe pia pippin poppy primrose primula protea quinta rita robin
    roland rosa rose rosemary rowan ruby ruta sabina saffron sage salvia senna sierra silvia sonja sorrel stella sylvia tansy tara thalia tulip
    ursula valeriana vera verbena veronica vesta victoria vinca viola violet willow wren xenia yarrow zinnia zoe"""
)
"""Names of people that are also names of taxa: alone they are left to people, in a binomial they are a genus."""
PLACES: Final = _set(
    """africa alaska albania algeria america andorra angola arabia arctic argentina arizona armenia asia atlanta australia austria barcelona
    batavia bavaria bohemia bolivia brazil bulgaria california canada carolina caledonia ceylon chile china colombia columbia corsica
    costa crimea croatia cuba cyprus dakota delta doris europa europe florida galicia gambia georgia germania ghana guinea guyana haiti
    helvetia himalaya india indiana italia jamaica java jersey jordan kenya lapland libya louisiana alberta malta manila mexico moldavia mongolia
    montana namibia natal nevada nigeria norway oregon panama paris patagonia persia peru philadelphia polynesia prussia rhodesia roma
    russia sahara samoa santa scotia serbia siberia sicilia sierra silesia somalia sonora sumatra syria tanzania tasmania texas tibet
    tonga turkey uganda valencia venezuela verona victoria virginia vienna zambia"""
)
"""Places that are also names of taxa, or sound as if they were: alone they are places."""
EVERYDAY: Final = _set(
    """admiral agenda alarm album alpha ambassador angel angler animal annie anomalous aquarium arena argentine audio auto ball banjo bar
    basis batman beta blacksmith blank blue bonus border boxer brilliant brown bus buckeye camp campus captain cardinal castle cat chat
    circus cobbler collared comet common cop counter crab creeper cricket data delta desert dipper diver doctor dog dollar
    doubleheader drill drone duplicate empty emperor error extra false female filter fire fisher flier focus food forest forum friar
    gag gamma garden gatekeeper general ghost goggles gold grass green grey ground grubby guard happy head hitch home house hybrid idea
    index javelin judy king kitchen lake lookdown machete male map master matrix maximum medium meagre media menu messmate minimum
    moonlighter monitor monitor mountain mourner museum music nature neutral normal nun office okay orange osprey outside painted
    pad park parson permit person phoenix pilot pilotfish plain porky pouting premium prince puffer queen radio ray red rifleman
    ringtail river ruff sable school sergeant shadow sheep silver sir skipper snapper soldier sole spot spotted stadium star stash
    status still striped sun sweep swift tailor tick ticks tiger top trail trumpeter unicorn vehicle viceroy video warrior water
    weaver white wife winter wild yellow zebra"""
)
"""Common names of one word that are everyday words, and would name a folder for another reason: alone they are no taxon."""

NO_GENUS: Final = _set(
    """agenda agua tierra viva magna alma alpaca alpha analysis anaconda antarctica area arena atlas bahia baia baja banana barracuda basilica bella beluga beta betta bonus buena
    camera campus canada cocos capybara caracara casa cascada catalina chia chinchilla cinema circus cobra coca cola colonia cordillera
    corona costa cuenca data delta dolina drama extra fauna festa fiesta finca flora focus forum gala galleria gamma gorilla guinea hacienda hyena
    hydra idea iguana impala isla isola kenya koala laguna llama loma lynx macedonia mama manila maria marina media mesa museum
    nova oasis opera orca orchidea pagoda pampa panda panorama papa paprika paradis paris pasta piranha pista pizza plataforma playa
    plaza primavera propaganda puma punta quebrada quinta quota reserva rhea sahara sala santa sauna savanna savannah selva serra
    siesta sierra sula sofa solana stadium status stigma streptococcus tapioca tarantula tennis terra terrapin tilapia tuna tundra ultra utopia
    vanilla veranda versus via vicuna villa virus vista visa vodka vuvuzela yoga zebra zona"""
    " aquarium terrarium herbarium arboretum solarium auditorium gymnasium album maximum minimum optimum medium premium momentum spectrum"
)
"""Words with a Latin ending that are no genus before an epithet that nobody knows, with or without capital."""
NO_EPITHET: Final = _set(
    """antechinus antpitta apalis aulonocara bahaba brotula chimaera chromis cisticola coris drum elaenia euphonia fulvetta gambusia gourami
    hutia ilisha jerboa killi kneria mbuna mojarra munia myna myotis myzomela opossum oryx pika piha pitta prinia rasbora rivulus
    sardinella schiffornis tapeti tetra thryssa titi yuhina abbesses adventus agenda album alfa alpaca alpha alumni analysis anaconda anchovy angeles apex appendix aquarium area arena arowana
    aurora auditorium axis azalea bali banana barbara barracuda basis bella beluga beta biennale bikini blanca bonsai bonus broccoli
    bus calculus california camera campus caracara casa cava chia chinchilla cinema circus climax clara coca cobra cola colonia
    colosseum complex confetti consensus corpus cosmos costa cranium crisis cumulus curriculum data decorum delhi delta dementia dengue
    dense depot dhabi dilemma diploma drama emphasis emporium era essence expense extra fauna fiesta finale flora florida focus forum
    fungi gala gallery gamma gecko genesis genus gorilla grappa grizzly guerilla hawaii helsinki henna hydra hyena hypothesis hyphae
    ibis idea iguana immense impala index intense isla jaguar jacuzzi java jeans jihad kali karma kiwi koala larva lasagna lava leda
    leone license litmus llama loci lucia lynx macaroni madonna magma mania mantra mara maria marina marta matrix maxi maximum media
    medium metropolis mini miami minima minimum minus minutia miss mix monitor monica morena moratorium museum nationale nausea
    nemesis nevada nova oasis oculus okapi opera optimum opus orca ordinary outdoor paella pagoda palazzi panda panorama papaya
    paparazzi paprika paradigm paranoia pasta patina patrol persona phobia phoenix photo photos pia pica piranha pizza plasma
    platypus playa plaza pneumonia podium policies prefix premium previous prospectus puma qi quota radius referendum rhea rica robusta
    rosa safari saga saliva salami salsa sauna savanna savannah schema sense series serum sigma sinus sitemap ski sofa solarium
    spaghetti species spectrum stadium stamina status stigma stimulus strata suffix sushi suspense synthesis tarantula taxi tedium
    tennis terminus terra terrarium thesis tilapia toga trauma trivia tsunami tuna tundra ultimatum ultra umbrella underwater
    upsilon uranium utopia vagina vanilla various veranda versus vertex villa virus visa vista visum vodka vortex wasabi whale wifi
    yakuza yeti yoga zebra zona"""
)
"""Words with a Latin ending that are no epithet after a genus that nobody knows."""
NO_WORD: Final = re.compile(
    r"(?:ing|ings|tion|tions|ness|ment|ments|ight|ights|ough|ship|ships|hood|land|lands|ville|town|wood|woods|yard|"
    r"[^aeiouy]ed|ies|ays|oys|ees|eys|ows|aws|oo|ee|ck|cks|ll|lls|sh|tch|th|ths|ph|wn|rd|rds|nd|nds|nt|nts|st|sts|ct|cts|pt|"
    r"[bdfgklmprtw]s(?<![aeiou]ps)(?<!eps)|y|w|k|g|b|d|f|v|j|q|c|z|t|h|p)\Z"
)
"""Endings that English has and epithets hardly ever."""

LATIN_GENUS: Final = re.compile(
    r"[A-Z][a-z]*(?:a|(?<!o)us|um|is|ys|ops|oides|odes|ax|ix|ex|yx|anx|inx|ynx|os|"
    r"odon|pogon|phyton|stemon|dendron|xylon|pteron|myzon|chilon|siphon)|"
    r"[A-Z][a-z]{3,}(?:[aoiy][a-z]es|as|(?<!st)one|ene|yne|nthe|phne|phe|che|ope|cle|ele|oe)"
)
"""A genus by its form, where none is known by the name."""
LATIN_EPITHET: Final = re.compile(
    r"[a-z]+(?:-[a-z]+)?(?:(?<!o)us|um|is|a|i|ae|ense|estre|inale|onale|ntale|iale|iforme|oide|oides|odes|ulare|gare|bile|"
    r"escens|ascens|olens|icans|errans|itans|ulans|inans|virens|repens|nitens|elegans|ridens|ceps|pes|ax|ix|ex|yx)|"
    r"[a-z]+(?:osus|eous|neus|ius|ous)(?<!ious)(?<!eous)"
)
"""An epithet by its form."""
STRONG_EPITHET: Final = re.compile(
    r"[a-z]{2,}(?:ensis|ense|[^aeiou]ian[ai]|ianus|ianum|[^aeiou]ii|icus|icum|[^t]atus|[^d]atum|osus|osum|osa|orum|arum|aceus|acea|aceum|"
    r"oides|ifolia|folius|folium|florum|florus|iflora|ulus|ulum|inus|inum|escens|ellus|ellum|atissima|issimus|issimum|fera|ferum|gera|"
    r"cola|color|oideus|oidea|iformis|icornis|ipennis|ipes|iceps|icauda|ventris|rostris|gaster|cephala|cephalus|phylla|phyllus|phyllum)"
)
"""An epithet that no other word looks like, so that the genus before it need not look like one."""
